package relaying

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
)

// kind is what clients do.
type kind string

// The kinds, of which each is the metric's name as well.
const (
	conns kind = "conn"  // open a connection, ask once, reset it
	asks  kind = "rr"    // ask again and again on one connection
	bulk  kind = "bytes" // read what comes
)

// flows are how many clients there are at a time.
func (k kind) flows() int {
	if k == bulk {
		return 8
	}
	return 64
}

// load has clients do something at addr until ctx ends, and counts: connections,
// answers or bytes.
type load struct {
	kind   kind
	addr   string
	done   atomic.Int64
	failed atomic.Int64
}

// run runs the clients to their end.
func (l *load) run(ctx context.Context) {
	var all sync.WaitGroup
	for range l.kind.flows() {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := l.client(ctx); err != nil && ctx.Err() == nil {
					l.failed.Add(1)
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	all.Wait()
}

// client is one connection.
func (l *load) client(ctx context.Context) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", l.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil { // no port is kept waiting
		return err
	}
	if l.kind == bulk {
		for buf := make([]byte, 256<<10); ; {
			n, err := conn.Read(buf)
			l.done.Add(int64(n))
			if err != nil {
				return err
			}
		}
	}
	for buf := make([]byte, messageSize); ; {
		if _, err := conn.Write(buf); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, buf); err != nil {
			return err
		}
		l.done.Add(1)
		if l.kind == conns {
			return nil
		}
	}
}

// measure counts over a while, after some time to begin with, and tells what the
// proxy used of the processors meanwhile.
func (l *load) measure(ctx context.Context, warmup, length time.Duration, cpu func() (time.Duration, error)) (perCPU float64, err error) {
	ctx, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	all.Go(func() { l.run(ctx) })
	if err := bench.Pause(ctx, warmup); err != nil {
		return 0, err
	}
	used, err := cpu()
	if err != nil {
		return 0, err
	}
	done, failed := l.done.Load(), l.failed.Load()
	if err := bench.Pause(ctx, length); err != nil {
		return 0, err
	}
	done, failed = l.done.Load()-done, l.failed.Load()-failed
	now, err := cpu()
	switch {
	case err != nil:
		return 0, err
	case failed > 0 || done == 0 || now <= used:
		return 0, fmt.Errorf("%s at %s: %d done, %d failed, %v of processor time", l.kind, l.addr, done, failed, now-used)
	}
	return float64(done) / (now - used).Seconds(), nil
}
