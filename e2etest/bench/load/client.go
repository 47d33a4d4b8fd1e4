package load

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/e2etest/bench/usage"
)

const (
	messageSize = 64
	udpWindow   = 8    // datagrams under way in each flow
	stride      = 7919 // from one address to the next: neighbours share no cache line
	hopeless    = 1000 // failures without any success
)

// client is the asking end.
type client struct {
	spec    Spec
	poll    *poller
	targets []unix.SockaddrInet4
	next    int
	flows   []int
	sent    [mostFDs]bool // the question is on its way
	buf     []byte

	done, failed int64
}

// Run asks for as long as the spec says.
func Run(spec Spec) (Result, error) {
	if err := spec.check(); err != nil {
		return Result{}, err
	}
	runtime.LockOSThread() // never unlocked: the thread is pinned
	if err := pin(0); err != nil {
		return Result{}, err
	}
	c := &client{spec: spec, buf: make([]byte, 256<<10)}
	addr := spec.First
	for range spec.Count {
		c.targets = append(c.targets, unix.SockaddrInet4{Port: spec.Kind.port(), Addr: addr.As4()})
		addr = addr.Next()
	}
	var err error
	if c.poll, err = newPoller(); err != nil {
		return Result{}, err
	}
	defer unix.Close(c.poll.fd)
	defer c.closeAll()
	for range spec.Flows {
		if err := c.open(); err != nil {
			return Result{}, err
		}
	}
	if err := c.ask(spec.Warmup); err != nil {
		return Result{}, err
	}
	return c.measure()
}

// measure asks and counts.
func (c *client) measure() (r Result, err error) {
	before, err := look(c.spec.Server)
	if err != nil {
		return r, err
	}
	c.done, c.failed = 0, 0
	if err := c.ask(c.spec.Time); err != nil {
		return r, err
	}
	after, err := look(c.spec.Server)
	if err != nil {
		return r, err
	}
	return Result{
		Done: c.done, Failed: c.failed,
		Took: after.at.Sub(before.at), CPU: after.cpu - before.cpu, Busy: after.busy - before.busy,
	}, nil
}

// moment is what was used until then.
type moment struct {
	at        time.Time
	cpu, busy time.Duration
}

func look(server int) (m moment, err error) {
	var own unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &own); err != nil {
		return m, err
	}
	if m.busy, err = usage.Machine(); err != nil {
		return m, err
	}
	if server > 0 {
		if m.cpu, err = usage.Scheduled(server); err != nil {
			return m, err
		}
	}
	m.at, m.cpu = time.Now(), m.cpu+time.Duration(own.Utime.Nano()+own.Stime.Nano())
	return m, nil
}

// ask goes on for a while.
func (c *client) ask(length time.Duration) error {
	for end := time.Now().Add(length); time.Now().Before(end); {
		events, err := c.poll.wait(100)
		if err != nil {
			return fmt.Errorf("epoll: %w", err)
		}
		if len(events) == 0 && c.spec.Kind == UDP {
			c.resend()
		}
		for i := range events {
			if err := c.handle(int(events[i].Fd), events[i].Events); err != nil {
				return err
			}
		}
		if c.failed > hopeless && c.done == 0 {
			return fmt.Errorf("%v: nothing is answered", c.spec.First)
		}
	}
	return nil
}

func (c *client) handle(fd int, events uint32) (err error) {
	switch c.spec.Kind {
	case Bytes:
		return c.read(fd)
	case UDP:
		return c.collect(fd)
	}
	if !c.sent[fd] && events&unix.EPOLLOUT != 0 && events&unix.EPOLLERR == 0 {
		c.sent[fd] = c.send(fd)
	}
	if events&(unix.EPOLLIN|unix.EPOLLERR|unix.EPOLLHUP) == 0 {
		return nil
	}
	n, err := unix.Read(fd, c.buf[:2*messageSize])
	switch {
	case err == unix.EAGAIN:
		return nil
	case n == messageSize && c.spec.Kind == RR:
		c.done++
		c.send(fd)
		return nil
	case n == messageSize:
		c.done++
	default:
		c.failed++
	}
	return c.again(fd)
}

// read takes bytes in.
func (c *client) read(fd int) error {
	n, err := unix.Read(fd, c.buf)
	switch {
	case n > 0:
		c.done += int64(n)
		return nil
	case err == unix.EAGAIN:
		return nil
	}
	c.failed++
	return c.again(fd)
}

// collect takes datagrams in, and sends as many.
func (c *client) collect(fd int) error {
	for {
		n, err := unix.Read(fd, c.buf[:2*messageSize])
		switch {
		case n == messageSize:
			c.done++
			c.send(fd)
		case err == unix.EAGAIN:
			return nil
		default: // an ICMP error
			c.failed++
			return nil
		}
	}
}

// resend opens all windows anew: what was under way is lost.
func (c *client) resend() {
	for _, fd := range c.flows {
		for range udpWindow {
			c.send(fd)
			c.failed++
		}
	}
}

func (c *client) send(fd int) bool {
	n, err := unix.Write(fd, c.buf[:messageSize])
	return err == nil && n == messageSize
}

// again replaces a connection.
func (c *client) again(fd int) error {
	c.sent[fd] = false
	unix.Close(fd)
	for i := range c.flows {
		if c.flows[i] == fd {
			c.flows[i] = c.flows[len(c.flows)-1]
			c.flows = c.flows[:len(c.flows)-1]
			break
		}
	}
	return c.open()
}

// open begins a flow to the next address.
func (c *client) open() error {
	typ := unix.SOCK_STREAM
	if c.spec.Kind == UDP {
		typ = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_INET, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil || fd >= mostFDs {
		return fmt.Errorf("socket %d: %w", fd, err)
	}
	c.flows = append(c.flows, fd)
	if typ == unix.SOCK_STREAM { // reset at the end: no port is kept waiting
		if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
			return fmt.Errorf("SO_LINGER: %w", err)
		}
	}
	c.next = (c.next + stride) % len(c.targets)
	if err := unix.Connect(fd, &c.targets[c.next]); err != nil && err != unix.EINPROGRESS {
		return fmt.Errorf("connect: %w", err)
	}
	return c.begin(fd)
}

// begin sends the first question, at once if the connection is there already:
// over veth it mostly is.
func (c *client) begin(fd int) error {
	switch c.spec.Kind {
	case Bytes:
		return c.poll.add(fd, unix.EPOLLIN)
	case UDP:
		for range udpWindow {
			c.send(fd)
		}
		return c.poll.add(fd, unix.EPOLLIN)
	}
	if c.sent[fd] = c.send(fd); c.sent[fd] {
		return c.poll.add(fd, unix.EPOLLIN)
	}
	return c.poll.add(fd, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLET)
}

func (c *client) closeAll() {
	for _, fd := range c.flows {
		unix.Close(fd)
	}
}
