package launcher

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// state of a program as tests see it.
type state string

const (
	stopped state = "stopped"
	running state = "running"
	paused  state = "paused"
	failed  state = "failed" // died without being asked to
)

// program is one child process, or the place where it was.
type program struct {
	name  string
	state state
	cmd   *exec.Cmd
	wait  chan struct{} // closed when cmd has been reaped
	how   string        // how the last process ended
}

// exit says that a process was reaped.
type exit struct {
	program *program
	cmd     *exec.Cmd
	err     error
}

// start runs the program. The caller's goroutine must be locked to its thread
// for its whole life: Pdeathsig follows the thread that forked, not the process.
func (p *program) start(o Options, exits chan<- exit) error {
	if p.state == running || p.state == paused {
		return fmt.Errorf("%s runs already (pid %d)", p.name, p.cmd.Process.Pid)
	}
	if p.name == "etcd" {
		// etcd refuses to listen on the socket files of a killed predecessor.
		os.Remove(o.dir().etcdClient())
		os.Remove(o.dir().etcdPeer())
	}
	logFile, err := os.OpenFile(o.dir().log(p.name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", p.name, err)
	}
	defer logFile.Close()
	cmd := exec.Command(o.Program, o.arguments(p.name)...)
	cmd.Dir = o.Dir
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	p.cmd, p.state, p.wait = cmd, running, make(chan struct{})
	go reap(p, cmd, p.wait, exits)
	return nil
}

func reap(p *program, cmd *exec.Cmd, done chan<- struct{}, exits chan<- exit) {
	err := cmd.Wait()
	close(done)
	exits <- exit{program: p, cmd: cmd, err: err}
}

// stop ends the program and waits for it. A paused one is killed: it could
// not act on SIGTERM.
func (p *program) stop(patience time.Duration) error {
	switch p.state {
	case running:
		p.signal(syscall.SIGTERM)
	case paused:
		p.signal(syscall.SIGKILL)
	default:
		p.state = stopped
		return nil
	}
	p.state = stopped
	select {
	case <-p.wait:
	case <-time.After(patience):
		p.signal(syscall.SIGKILL)
		<-p.wait
	}
	return nil
}

// kill ends the program without notice and waits until it is gone.
func (p *program) kill() error {
	if p.state != running && p.state != paused {
		return fmt.Errorf("%s does not run", p.name)
	}
	p.state = stopped
	p.signal(syscall.SIGKILL)
	<-p.wait
	return nil
}

func (p *program) freeze() error {
	if p.state != running {
		return fmt.Errorf("%s is %s", p.name, p.state)
	}
	p.state = paused
	return p.signal(syscall.SIGSTOP)
}

func (p *program) thaw() error {
	if p.state != paused {
		return fmt.Errorf("%s is %s", p.name, p.state)
	}
	p.state = running
	return p.signal(syscall.SIGCONT)
}

func (p *program) signal(s syscall.Signal) error {
	err := p.cmd.Process.Signal(s)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// describe is one line for the status command.
func (p *program) describe() string {
	if p.state == running || p.state == paused {
		return fmt.Sprintf("%s %s %d", p.name, p.state, p.cmd.Process.Pid)
	}
	if p.how == "" {
		return fmt.Sprintf("%s %s", p.name, p.state)
	}
	return fmt.Sprintf("%s %s (%s)", p.name, p.state, p.how)
}
