package lan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Cycles is what became of a host's neighbour entry while it talked to the
// address all the time without a word from above that the neighbour is there.
type Cycles struct {
	Sent, Failed     int // datagrams; those without an echo
	Slowest          time.Duration
	Probes, Answered int // questions to the neighbour alone (unicast); those it answered
	Again            int // times the entry became REACHABLE after such a probe
	Asked            int // questions to everybody, the first one included
	Lost             int // times the entry became FAILED or INCOMPLETE
}

// String is one line for people.
func (c Cycles) String() string {
	return fmt.Sprintf("%d datagrams, %d failed, slowest %v; %d probes, %d answered, %d times reachable again; %d questions to all, lost %d times",
		c.Sent, c.Failed, c.Slowest.Round(time.Millisecond), c.Probes, c.Answered, c.Again, c.Asked, c.Lost)
}

const (
	echoEvery = 20 * time.Millisecond
	echoLimit = time.Second // for one echo
)

// Cycle talks to a UDP echo for so long and watches the kernel's neighbour entry
// meanwhile. UDP tells the kernel nothing of the neighbour, so that it probes it
// each time the entry has grown stale (NUD, RFC 4861, 7.3).
func Cycle(ctx context.Context, host Host, to netip.AddrPort, d time.Duration) (Cycles, error) {
	w := &cycleWatch{addr: to.Addr(), open: map[string]bool{}}
	socket, err := open(host.Netns, host.Card)
	if err != nil {
		return Cycles{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var ended sync.WaitGroup
	ended.Go(func() { w.fail(w.frames(ctx, socket)) })
	if err := w.states(ctx, &ended, host); err != nil {
		cancel()
		ended.Wait()
		return Cycles{}, errors.Join(err, socket.Close())
	}
	err = w.echo(ctx, host, to)
	cancel()
	ended.Wait()
	return w.cycles, errors.Join(err, w.err, socket.Close())
}

// cycleWatch counts.
type cycleWatch struct {
	addr netip.Addr

	mu     sync.Mutex // guards what follows
	cycles Cycles
	open   map[string]bool // probed neighbours that have not answered yet
	probed bool            // the entry is in PROBE
	err    error
}

func (w *cycleWatch) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = errors.Join(w.err, err)
}

// echo sends one datagram after the other and waits for each to come back.
func (w *cycleWatch) echo(ctx context.Context, host Host, to netip.AddrPort) error {
	var conn net.Conn
	err := host.Netns.Do(func() (err error) {
		conn, err = net.Dial("udp", to.String())
		return err
	})
	if err != nil {
		return fmt.Errorf("talk to %v: %w", to, err)
	}
	defer conn.Close()
	for n := 0; ctx.Err() == nil; n++ {
		took, err := exchange(conn, fmt.Sprintf("%08d", n))
		w.mu.Lock()
		w.cycles.Sent++
		if err != nil {
			w.cycles.Failed++
		}
		w.cycles.Slowest = max(w.cycles.Slowest, took)
		w.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(echoEvery):
		}
	}
	return nil
}

// exchange sends a text and reads until it comes back, whatever stands before it.
func exchange(conn net.Conn, text string) (time.Duration, error) {
	begin := time.Now()
	conn.SetDeadline(begin.Add(echoLimit))
	if _, err := io.WriteString(conn, text); err != nil {
		return 0, err
	}
	for buf := make([]byte, 512); ; {
		n, err := conn.Read(buf)
		if err != nil || strings.HasSuffix(string(buf[:n]), text) {
			return time.Since(begin), err
		}
	}
}

// frames counts questions and answers on the wire.
func (w *cycleWatch) frames(ctx context.Context, s *Socket) error {
	for ctx.Err() == nil {
		f, _, ok, err := s.hear()
		if err != nil {
			return err
		}
		if !ok || f.Addr != w.addr {
			continue
		}
		w.mu.Lock()
		switch {
		case f.Kind == Question && slices.Equal(f.From, s.MAC) && f.To[0]&1 == 1:
			w.cycles.Asked++
		case f.Kind == Question && slices.Equal(f.From, s.MAC):
			w.cycles.Probes++
			w.open[f.To.String()] = true
		case f.Kind == Answer && w.open[f.From.String()]:
			w.cycles.Answered++
			delete(w.open, f.From.String())
		}
		w.mu.Unlock()
	}
	return nil
}

// states counts what the kernel tells of the entry, until ctx ends.
func (w *cycleWatch) states(ctx context.Context, ended *sync.WaitGroup, host Host) error {
	updates, done := make(chan netlink.NeighUpdate, 1024), make(chan struct{})
	handle, err := netns.GetFromPath(host.Netns.Path())
	if err != nil {
		return fmt.Errorf("namespace of %s: %w", host.Netns.Name, err)
	}
	err = netlink.NeighSubscribeWithOptions(updates, done, netlink.NeighSubscribeOptions{
		Namespace: &handle, ErrorCallback: func(err error) {
			if ctx.Err() == nil {
				w.fail(fmt.Errorf("watch neighbours: %w", err))
			}
		}})
	if err != nil {
		return errors.Join(fmt.Errorf("watch neighbours: %w", err), handle.Close())
	}
	ended.Go(func() {
		<-ctx.Done()
		close(done)
		handle.Close()
	})
	ended.Go(func() {
		for u := range updates {
			if addr, _ := netip.AddrFromSlice(u.IP); addr.Unmap() == w.addr && ctx.Err() == nil {
				w.state(u.State)
			}
		}
	})
	return nil
}

func (w *cycleWatch) state(state int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch state {
	case unix.NUD_PROBE:
		w.probed = true
	case unix.NUD_REACHABLE:
		if w.probed {
			w.cycles.Again++
		}
		w.probed = false
	case unix.NUD_FAILED, unix.NUD_INCOMPLETE:
		if w.cycles.Sent > 0 { // before that nothing was known
			w.cycles.Lost++
		}
	}
}
