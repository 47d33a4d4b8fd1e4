package testlab

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// PlayInit is the first process of a PID namespace: it starts daemons, one per
// argument list separated by "--", and takes them along when it goes. Each
// list begins with a file that must exist before, "/" for none. The TestMain of
// a package that starts a [Router] calls it where the environment says so.
func PlayInit(args []string) error {
	for len(args) > 0 {
		n := 0
		for n < len(args) && args[n] != "--" {
			n++
		}
		if err := waitFile(args[0]); err != nil {
			return err
		}
		cmd := exec.Command(args[1], args[2:n]...)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Start(); err != nil {
			return err
		}
		args = args[min(n+1, len(args)):]
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	return nil
}

func waitFile(path string) error {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		_, err := os.Stat(path)
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}
