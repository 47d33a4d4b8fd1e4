package kubelet

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"

	"github.com/steelyard-lb/steelyard/e2etest/kube/kubelet/box"
)

// session is one command in a running container.
type session struct {
	argv   []string
	stdin  io.Reader // nil: none
	stdout io.Writer // nil: thrown away
	stderr io.Writer
	tty    bool
	resize <-chan remotecommand.TerminalSize
}

// execOnce runs a probe's or hook's command; the error holds what it printed.
func (c *container) execOnce(ctx context.Context, r *running, argv []string) error {
	var out bytes.Buffer
	both := &limited{w: &out, left: 4096}
	code, err := c.exec(ctx, r, session{argv: argv, stdout: both, stderr: both})
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("command timed out: %w", ctx.Err())
	case err != nil:
		return err
	case code != 0:
		return fmt.Errorf("command terminated with exit code %d: %s", code, bytes.TrimSpace(out.Bytes()))
	}
	return nil
}

// limited passes a number of bytes on and swallows the rest. Two streams may
// write to it.
type limited struct {
	mu   sync.Mutex
	w    io.Writer
	left int
}

func (l *limited) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(b), l.left)
	l.left -= n
	l.w.Write(b[:n])
	return len(b), nil
}

// exec runs a command with the container's rights and returns its exit code.
// When ctx ends the command is killed.
func (c *container) exec(ctx context.Context, r *running, s session) (int, error) {
	files, err := s.open(r.proc.pid)
	if err != nil {
		return 0, err
	}
	defer files.closeAll()
	vars := r.vars
	if s.tty {
		vars = map[string]string{"TERM": "xterm"}
		for k, v := range r.vars {
			vars[k] = v
		}
	}
	p, err := c.pod.k.spawner.start(launch{
		command: execCommand,
		spec: box.ExecSpec{
			PID: r.proc.pid, Argv: s.argv, Env: pairs(vars), Dir: r.spec.Dir,
			Terminal: s.tty, Security: r.spec.Security,
		},
		stdin: files.child[0], stdout: files.child[1], stderr: files.child[2],
	})
	files.closeChild()
	if err != nil {
		return 0, err
	}
	copied := files.copy(s)
	select {
	case <-p.done:
	case <-ctx.Done():
		p.signal(syscall.SIGTERM) // the helper kills the command
		select {
		case <-p.done:
		case <-time.After(2 * time.Second):
			p.signal(syscall.SIGKILL)
			<-p.done
		}
	}
	select {
	case <-copied:
	case <-time.After(time.Second): // a process of the background holds the pipe
	}
	code, _ := p.exitCode()
	return int(code), nil
}

// ends are the files of a session: the child's three, and ours.
type ends struct {
	child  [3]*os.File
	ours   [3]*os.File
	master *os.File // with a terminal
}

func (s session) open(pid int) (*ends, error) {
	if s.tty {
		return openTerminal(fmt.Sprintf("/proc/%d/root/dev/pts", pid))
	}
	e := &ends{}
	var err error
	if s.stdin != nil {
		if e.child[0], e.ours[0], err = os.Pipe(); err != nil {
			return nil, err
		}
	}
	for i := 1; i < 3; i++ {
		if e.ours[i], e.child[i], err = os.Pipe(); err != nil {
			e.closeAll()
			return nil, err
		}
	}
	return e, nil
}

// openTerminal makes a pseudo-terminal in the container's own /dev/pts, so that
// programs inside find its name.
func openTerminal(pts string) (*ends, error) {
	master, err := os.OpenFile(pts+"/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("open a terminal: %w", err)
	}
	fd := int(master.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		master.Close()
		return nil, fmt.Errorf("unlock the terminal: %w", err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("%s/%d", pts, number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		master.Close()
		return nil, fmt.Errorf("open the terminal's other end: %w", err)
	}
	return &ends{child: [3]*os.File{slave, slave, slave}, master: master}, nil
}

// copy moves data until the streams end; the channel closes when all output
// has been passed on.
func (e *ends) copy(s session) <-chan struct{} {
	done := make(chan struct{})
	var out sync.WaitGroup
	pass := func(w io.Writer, r *os.File) {
		if w == nil {
			w = io.Discard
		}
		io.Copy(w, r)
	}
	if e.master != nil {
		out.Go(func() { pass(s.stdout, e.master) })
		go e.resize(s.resize)
		if s.stdin != nil {
			go io.Copy(e.master, s.stdin)
		}
	} else {
		out.Go(func() { pass(s.stdout, e.ours[1]) })
		out.Go(func() { pass(s.stderr, e.ours[2]) })
		if s.stdin != nil {
			go func() {
				io.Copy(e.ours[0], s.stdin)
				e.ours[0].Close()
			}()
		}
	}
	go func() {
		out.Wait()
		close(done)
	}()
	return done
}

func (e *ends) resize(sizes <-chan remotecommand.TerminalSize) {
	for size := range sizes {
		unix.IoctlSetWinsize(int(e.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: size.Height, Col: size.Width})
	}
}

func (e *ends) closeChild() {
	for _, f := range e.child {
		if f != nil {
			f.Close()
		}
	}
}

func (e *ends) closeAll() {
	e.closeChild()
	for _, f := range append(e.ours[:], e.master) {
		if f != nil {
			f.Close()
		}
	}
}
