package engine

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/steelyard-lb/steelyard/ingress/http"
)

// endpoint is one address that answers requests.
type endpoint struct {
	addr     string // to
	to       netip.AddrPort
	inFlight atomic.Int64
	downTill atomic.Int64 // in nanoseconds since epoch: it took no connection lately

	mu      sync.Mutex
	idle    []*backend // the one used last is at the end
	retired bool       // no Config names it any more: nothing is kept

	stocks []stock // for each loop, which alone has it
}

// backend is a connection to an endpoint.
type backend struct {
	*net.TCPConn
	client http.Client
	born   time.Time
	free   time.Time // when it became idle
}

func (e *endpoint) up(now time.Time) bool { return e.downTill.Load() <= now.Sub(epoch).Nanoseconds() }

func (e *endpoint) eject(now time.Time) {
	e.downTill.Store(now.Add(ejectFor).Sub(epoch).Nanoseconds())
}

// epoch is what times are counted from where they must fit a number: the clock of
// the wall may jump.
var epoch = time.Now()

// take returns an idle connection that is alive, or nil. One with unread bytes,
// which would be taken for the next answer, is not.
func (e *endpoint) take(now time.Time, o *Options) *backend {
	for {
		b := e.pop()
		if b == nil {
			return nil
		}
		if now.Sub(b.free) < o.IdleFor && peek(b.TCPConn) == silent {
			return b
		}
		_ = b.Close()
	}
}

func (e *endpoint) pop() *backend {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := len(e.idle) - 1
	if n < 0 {
		return nil
	}
	b := e.idle[n]
	e.idle[n], e.idle = nil, e.idle[:n]
	return b
}

// put keeps a connection for later, or closes it.
func (e *endpoint) put(b *backend, now time.Time, o *Options) {
	b.free = now
	if !e.keep(b, now, o) {
		_ = b.Close()
	}
}

func (e *endpoint) keep(b *backend, now time.Time, o *Options) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.retired || len(e.idle) >= o.KeepIdle || now.Sub(b.born) > o.MaxAge {
		return false
	}
	e.idle = append(e.idle, b)
	return true
}

// sweep closes the connections that were idle too long, which are at the front.
func (e *endpoint) sweep(now time.Time, o *Options) {
	e.mu.Lock()
	n := 0
	for n < len(e.idle) && now.Sub(e.idle[n].free) >= o.IdleFor {
		n++
	}
	old := slices.Clone(e.idle[:n])
	e.idle = slices.Delete(e.idle, 0, n)
	e.mu.Unlock()
	closeAll(old)
}

// retire closes what is idle, and has nothing be kept from now on.
func (e *endpoint) retire() {
	e.mu.Lock()
	old := e.idle
	e.idle, e.retired = nil, true
	e.mu.Unlock()
	closeAll(old)
}

func closeAll(list []*backend) {
	for _, b := range list {
		_ = b.Close()
	}
}

// dial opens a connection.
func (e *endpoint) dial(ctx context.Context, o *Options) (*backend, error) {
	d := net.Dialer{Timeout: o.Connect}
	c, err := d.DialContext(ctx, "tcp", e.addr)
	if err != nil {
		return nil, fmt.Errorf("connect to endpoint: %w", err)
	}
	return &backend{TCPConn: c.(*net.TCPConn), client: http.NewClient(o.Limits), born: time.Now()}, nil
}
