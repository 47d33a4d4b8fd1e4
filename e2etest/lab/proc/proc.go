// Package proc starts the lab's processes, each in the network namespace of the
// host it belongs to and with a log file of its own, and ends them again.
package proc

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/lab/network"
)

// Spec says what to start.
type Spec struct {
	Name string // names the log file: NAME.log
	Argv []string
	Env  []string // added to the environment
	Dir  string   // working directory, "" for the lab's own
	// Stdin is what the process reads; nil for nothing. The caller closes it.
	Stdin *os.File
}

// Proc is a started process.
type Proc struct {
	Name string
	Log  string // path of its log
	Pid  int

	cmd  *exec.Cmd
	done chan struct{}
	err  error // valid once done is closed
}

// Start runs a program inside a namespace, standard output and error going to
// logDir/NAME.log, appended. The process does not outlive the sandbox.
func Start(ns *network.Netns, logDir string, spec Spec) (*Proc, error) {
	path := filepath.Join(logDir, spec.Name+".log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", spec.Name, err)
	}
	defer log.Close()
	fmt.Fprintf(log, "# %s %s\n", time.Now().Format(time.RFC3339Nano), strings.Join(spec.Argv, " "))
	cmd := exec.Command(spec.Argv[0], spec.Argv[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = spec.Dir
	if spec.Stdin != nil {
		cmd.Stdin = spec.Stdin
	}
	cmd.Env = append(os.Environ(), spec.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := ns.Do(cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s in %s: %w", spec.Name, ns.Name, err)
	}
	p := &Proc{Name: spec.Name, Log: path, Pid: cmd.Process.Pid, cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Output runs a program inside a namespace to its end and returns what it wrote
// on both outputs.
func Output(ns *network.Netns, env []string, argv ...string) (string, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(os.Environ(), env...)
	if err := ns.Do(cmd.Start); err != nil {
		return "", fmt.Errorf("start %s in %s: %w", argv[0], ns.Name, err)
	}
	if err := cmd.Wait(); err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(out.String()))
	}
	return out.String(), nil
}

// Done is closed when the process has ended.
func (p *Proc) Done() <-chan struct{} { return p.done }

// Err is how the process ended, nil while it runs or when it ended well.
func (p *Proc) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

// Signal sends a signal to the process; one that has ended is not an error.
func (p *Proc) Signal(s syscall.Signal) error {
	select {
	case <-p.done:
		return nil
	default:
		return p.cmd.Process.Signal(s)
	}
}

// Stop asks the process to end and kills it when it has not by then.
func (p *Proc) Stop(grace time.Duration) error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop %s: %w", p.Name, err)
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(grace):
		return p.Kill()
	}
}

// Kill ends the process at once (SIGKILL) and waits until it is gone.
func (p *Proc) Kill() error {
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %s: %w", p.Name, err)
	}
	<-p.done
	return nil
}

// Tail returns the last lines of the process's log.
func (p *Proc) Tail(lines int) string {
	data, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
