package kubelet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// spawner forks all processes on one thread that lives as long as the program.
// PR_SET_PDEATHSIG follows the parent's thread: a child forked elsewhere would
// be killed when the runtime retires that thread.
type spawner struct {
	jobs chan func()
}

func newSpawner() *spawner { return &spawner{jobs: make(chan func())} }

// run serves until ctx ends. The caller's goroutine is locked to the main thread.
func (s *spawner) run(ctx context.Context) {
	for {
		select {
		case job := <-s.jobs:
			job()
		case <-ctx.Done():
			return
		}
	}
}

// launch describes one process in the making.
type launch struct {
	command string // of package box
	spec    any
	netns   string // path; empty means the node's
	flags   uintptr
	stdin   *os.File // nil means /dev/null
	stdout  *os.File
	stderr  *os.File
}

// process is a running child.
type process struct {
	pid      int
	done     chan struct{} // closed after state is set
	state    *os.ProcessState
	lifeline *os.File // its closing tells the child that the kubelet is gone
}

// errNotStarted reports a program that could not be executed.
var errNotStarted = errors.New("cannot start")

// start forks a child and waits until it runs its program or says why not.
func (s *spawner) start(l launch) (*process, error) {
	specR, specW, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("pipe: %w", err)
	}
	defer specR.Close()
	reportR, reportW, err := os.Pipe()
	if err != nil {
		specW.Close()
		return nil, fmt.Errorf("pipe: %w", err)
	}
	defer reportR.Close()
	cmd := exec.Command("/proc/self/exe", l.command)
	cmd.Args[0] = "kcp"
	cmd.Env = []string{}
	if l.stdin != nil { // a nil *os.File in the interface would not be nil
		cmd.Stdin = l.stdin
	}
	cmd.Stdout, cmd.Stderr = l.stdout, l.stderr
	cmd.ExtraFiles = []*os.File{specR, reportW}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: l.flags, Setsid: l.command == initCommand, Pdeathsig: syscall.SIGKILL,
	}
	err = s.fork(cmd, l.netns)
	reportW.Close()
	if err != nil {
		specW.Close()
		return nil, fmt.Errorf("fork: %w", err)
	}
	p := &process{pid: cmd.Process.Pid, done: make(chan struct{}), lifeline: specW}
	go p.reap(cmd)
	if err := json.NewEncoder(specW).Encode(l.spec); err != nil {
		return p, fmt.Errorf("send the spec: %w", err)
	}
	if text, _ := io.ReadAll(reportR); len(text) > 0 {
		<-p.done
		return nil, fmt.Errorf("%w: %s", errNotStarted, strings.TrimSpace(string(text)))
	}
	return p, nil
}

// fork starts cmd on the spawner's thread, in the network namespace wanted.
func (s *spawner) fork(cmd *exec.Cmd, netns string) error {
	result := make(chan error, 1)
	s.jobs <- func() {
		if netns == "" {
			result <- cmd.Start()
			return
		}
		result <- inNamespace(netns, cmd.Start)
	}
	return <-result
}

// inNamespace runs f on this thread inside a network namespace and comes back.
func inNamespace(path string, f func() error) error {
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer home.Close()
	away, err := os.Open(path)
	if err != nil {
		return err
	}
	defer away.Close()
	if err := unix.Setns(int(away.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter %s: %w", path, err)
	}
	err = f()
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		panic(fmt.Sprintf("cannot return to the node's network namespace: %v", back))
	}
	return err
}

func (p *process) reap(cmd *exec.Cmd) {
	cmd.Wait()
	p.state = cmd.ProcessState
	p.lifeline.Close()
	close(p.done)
}

// signal sends to the process unless it has been reaped.
func (p *process) signal(sig syscall.Signal) {
	select {
	case <-p.done:
	default:
		syscall.Kill(p.pid, sig)
	}
}

// exitCode is the status as shells give it: 128 plus the signal for a killed
// process. The signal is 0 unless the process was killed.
func (p *process) exitCode() (code, sig int32) {
	status, ok := p.state.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return 128 + int32(status.Signal()), int32(status.Signal())
	}
	return int32(p.state.ExitCode()), 0
}
