package launcher

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// stopPatience is the time a program gets to act on SIGTERM. An API server
// that still waits for etcd ignores the signal altogether.
const stopPatience = 10 * time.Second

// exitPatience is shorter: when the cluster ends, nobody needs an API server
// that waits for its clients to go.
const exitPatience = 2 * time.Second

// plane is a running control plane. One goroutine, locked to its thread, owns
// it; everybody else talks to that goroutine over channels.
type plane struct {
	opts     Options
	programs []*program
	exits    chan exit
	requests chan request
	out      io.Writer
	began    time.Time
}

// Up is the command "kcp up". It returns the exit status.
func Up(args []string) int {
	exe, err := os.Executable()
	if err != nil {
		return fail(err)
	}
	opts, err := upFlags(args, exe)
	if err != nil {
		return fail(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := Run(ctx, opts, os.Stdout); err != nil {
		return fail(err)
	}
	return 0
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "kcp:", err)
	return 1
}

// Run starts a control plane and keeps it until ctx ends, then stops it in
// order. It locks its goroutine to the thread, see program.start. Progress
// goes to out, one line per step with the milliseconds since the start.
func Run(ctx context.Context, opts Options, out io.Writer) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if opts.DieWithParent {
		if err := dieWithParent(); err != nil {
			return err
		}
	}
	p := &plane{
		opts: opts, out: out, began: time.Now(),
		exits: make(chan exit, 64), requests: make(chan request),
	}
	for _, name := range programNames {
		p.programs = append(p.programs, &program{name: name, state: stopped})
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := p.prepare(); err != nil {
		return err
	}
	listener, err := listenControl(opts.dir().socket())
	if err != nil {
		return err
	}
	defer listener.Close()
	go serveControl(ctx, listener, p.requests)
	return p.loop(ctx)
}

func (p *plane) prepare() error {
	d := p.opts.dir()
	if err := d.prepare(); err != nil {
		return err
	}
	serviceAddrs, err := p.opts.serviceAddrs()
	if err != nil {
		return err
	}
	if err := d.writeSecrets(p.opts.server(), addrs(p.opts), serviceAddrs); err != nil {
		return err
	}
	p.say("certificates and kubeconfigs in %s", p.opts.Dir)
	return nil
}

// loop starts everything, then acts on exits, commands and readiness.
func (p *plane) loop(ctx context.Context) error {
	defer p.stopAll()
	if err := p.startAll("etcd", "kube-apiserver"); err != nil {
		return err
	}
	ready := false
	steps := make(chan step)
	go awaitReady(ctx, p.opts, steps)
	for {
		select {
		case <-ctx.Done():
			p.say("stopping")
			return nil
		case e := <-p.exits:
			if p.ended(e); !ready && e.program.state == failed {
				return p.deadOnArrival(e.program)
			}
		case r := <-p.requests:
			r.answer <- p.obey(r)
		case s, open := <-steps:
			if !open {
				steps, ready = nil, true
				break
			}
			if s.err != nil {
				return fmt.Errorf("%w; logs in %s", s.err, p.opts.dir().path("log"))
			}
			p.say("%s", s.text)
			if err := p.startAll(s.starts...); err != nil {
				return err
			}
		}
	}
}

func (p *plane) startAll(names ...string) error {
	for _, name := range names {
		if err := p.find(name).start(p.opts, p.exits); err != nil {
			return err
		}
	}
	return nil
}

// deadOnArrival is the error for a program that died before the cluster was
// ever ready; it shows the end of the program's log.
func (p *plane) deadOnArrival(prog *program) error {
	text, err := os.ReadFile(p.opts.dir().log(prog.name))
	if err != nil {
		return fmt.Errorf("%s died during the start (%s)", prog.name, prog.how)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return fmt.Errorf("%s died during the start (%s):\n%s", prog.name, prog.how,
		strings.Join(lines[max(0, len(lines)-5):], "\n"))
}

// ended notes how a process ended. Nobody restarts it: a control plane that
// heals itself would hide the fault from the test that looks for it.
func (p *plane) ended(e exit) {
	prog := e.program
	prog.how = e.cmd.ProcessState.String()
	if prog.cmd == e.cmd && (prog.state == running || prog.state == paused) {
		prog.state = failed
		p.say("%s died: %s, see %s", prog.name, prog.how, p.opts.dir().log(prog.name))
	}
}

func (p *plane) stopAll() {
	for i := len(p.programs) - 1; i >= 0; i-- {
		prog := p.programs[i]
		patience := exitPatience
		if prog.name == "kube-apiserver" && p.programs[0].state != running {
			patience = 0 // without etcd it ignores SIGTERM
		}
		prog.stop(patience)
	}
	p.say("stopped")
}

func (p *plane) say(format string, args ...any) {
	fmt.Fprintf(p.out, "kcp: %6d ms  %s\n", time.Since(p.began).Milliseconds(), fmt.Sprintf(format, args...))
}

// dieWithParent asks the kernel to kill this process when its parent dies.
func dieWithParent() error {
	parent := os.Getppid()
	_, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0)
	if errno != 0 {
		return fmt.Errorf("prctl(PR_SET_PDEATHSIG): %w", errno)
	}
	if os.Getppid() != parent {
		return fmt.Errorf("the parent process died during the start")
	}
	return nil
}
