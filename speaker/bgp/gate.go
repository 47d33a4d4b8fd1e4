package bgp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
)

const (
	// pauseTime is after a connection that could not be taken: descriptors may be short.
	pauseTime = 100 * time.Millisecond
	// settleTime is what routers are left to see that a connection has ended, before
	// the next: FRR takes none for its first second.
	settleTime = 1100 * time.Millisecond
)

// loopback is where GoBGP meets the gate: all that it knows of where the router is.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// gate is the door between a router and GoBGP, for one connection. It connects to the
// router, or waits for it, and GoBGP connects to the gate. What the router says
// goes on to GoBGP message by message, but none that GoBGP would fall over, for all
// sessions fall with it.
type gate struct {
	listener *net.TCPListener // where the router is waited for; nil: it is connected to
	inner    *net.TCPListener // where GoBGP is waited for
	own      netip.Addr       // this node's address, if it is as the routes have it
	journal  *journal
	logger   log.Logger
	before   <-chan struct{} // the end of the gate before this one, whose router it shares; nil: there was none
	news     chan news       // one slot
	done     chan struct{}   // closed when run has returned

	mu     sync.Mutex
	set    settings
	router *net.TCPConn // nil before there is a connection
	quiet  bool         // the connection ends, or has ended, without a word
}

// news is what a gate has to say: that it has a connection to the router, which GoBGP
// can have at port, or why not.
type news struct {
	own  netip.Addr // this node's address on the connection, without zone
	port uint16
	err  error
}

func (s *session) newGate() (*gate, error) {
	inner, err := listenInside()
	if err != nil {
		return nil, err
	}
	return &gate{
		listener: s.srv.listener, inner: inner, own: s.srv.own, journal: s.journal, logger: s.logger, before: s.last, set: s.set,
		news: make(chan news, 1), done: make(chan struct{}),
	}, nil
}

func listenInside() (*net.TCPListener, error) {
	l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0)))
	if err != nil {
		return nil, fmt.Errorf("wait for GoBGP: %w", err)
	}
	return l, nil
}

// port is where GoBGP can come.
func (g *gate) port() uint16 { return portOf(g.inner) }

func portOf(l *net.TCPListener) uint16 { return endOf(l.Addr()).Port() }

// endOf is an end of a TCP connection, or of what waits for one.
func endOf(a net.Addr) netip.AddrPort { return a.(*net.TCPAddr).AddrPort() }

// run serves one connection, to its end. The end of ctx is that of all that is left
// to do, but for GoBGP's last words.
func (g *gate) run(ctx context.Context) {
	defer close(g.done)
	defer g.inner.Close()
	if g.before != nil {
		<-g.before
		wait(ctx, settleTime)
	}
	router := g.connect(ctx)
	if router == nil {
		return
	}
	g.take(router)
	defer g.release()
	own := endOf(router.LocalAddr()).Addr().Unmap().WithZone("")
	inner := g.inner
	if own != g.own { // who has come there is about to tell of the wrong next hop
		var err error
		if inner, err = listenInside(); err != nil {
			post(g.news, news{err: err})
			return
		}
		defer inner.Close()
	}
	post(g.news, news{own: own, port: portOf(inner)})
	if speaker := g.admit(ctx, inner); speaker != nil {
		g.carry(ctx, router, speaker)
	}
}

// wait lets time pass, at most until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// follow makes set, whose soft settings may differ, the settings in force.
func (g *gate) follow(set settings) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.set = set
	return g.tune()
}

// tune gives the sockets towards the router, as far as there are any, the settings in
// force.
func (g *gate) tune() error {
	var errs []error
	if g.listener != nil {
		errs = append(errs, g.set.tune(g.listener))
	}
	if g.router != nil {
		errs = append(errs, g.set.tune(g.router))
	}
	return errors.Join(errs...)
}

// cut ends the connection as if the process had died: a FIN, no NOTIFICATION. A router
// with graceful restart then keeps our routes (RFC 4724 §4.2).
func (g *gate) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.quiet = true; g.router != nil {
		shut(g.router)
	}
}

// take notes the connection, for follow and cut.
func (g *gate) take(router *net.TCPConn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.router = router
	if err := g.tune(); err != nil {
		level.Warn(g.logger).Log("msg", "connection not as wanted", "err", err)
	}
	if g.quiet {
		shut(router)
	}
}

// release ends the connection.
func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.router.Close()
	g.router = nil
}

// shut ends a connection but for its descriptor. One that has ended has an error for
// it, which says just that.
func shut(conn *net.TCPConn) {
	_ = conn.CloseWrite()
	_ = conn.CloseRead()
}

func (g *gate) settings() settings {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.set
}

// connect is the connection to the router; nil if ctx ends before there is one.
func (g *gate) connect(ctx context.Context) *net.TCPConn {
	if g.listener != nil {
		return g.accept(ctx)
	}
	for {
		set := g.settings()
		every := time.Duration(set.soft.connect) * time.Second
		conn, err := set.dial(ctx, max(every-time.Second, time.Second))
		switch {
		case err == nil:
			return conn
		case ctx.Err() == nil:
			post(g.news, news{err: err})
		}
		if wait(ctx, every+rand.N(every/4)); ctx.Err() != nil { // jittered: not all nodes at once
			return nil
		}
	}
}

// accept waits for the router and leaves others at the door, and what the router has
// ended itself while there was no time for it.
func (g *gate) accept(ctx context.Context) *net.TCPConn {
	set := g.settings()
	if err := g.follow(set); err != nil { // the listener may be from before a change
		level.Warn(g.logger).Log("msg", "listener not as wanted", "err", err)
	}
	want := set.peer.addr
	conn, _ := acceptFrom(ctx, g.listener, func(conn *net.TCPConn) bool {
		from := endOf(conn.RemoteAddr()).Addr().Unmap()
		return (from == want || from.WithZone("") == want) && lives(conn)
	})
	return conn
}

// admit is GoBGP's connection; nil if ctx ends before there is one.
func (g *gate) admit(ctx context.Context, inner *net.TCPListener) *net.TCPConn {
	conn, err := acceptFrom(ctx, inner, func(conn *net.TCPConn) bool {
		own, err := isOwn(endOf(conn.RemoteAddr()), endOf(conn.LocalAddr()))
		if err != nil {
			level.Error(g.logger).Log("msg", "cannot tell whose connection it is", "err", err)
		}
		return own
	})
	if err != nil {
		post(g.news, news{err: fmt.Errorf("wait for GoBGP: %w", err)})
	}
	return conn
}

// acceptFrom is the first connection that is right; nil if ctx ends before there is one.
func acceptFrom(ctx context.Context, l *net.TCPListener, right func(*net.TCPConn) bool) (*net.TCPConn, error) {
	stop := context.AfterFunc(ctx, func() { _ = l.SetDeadline(time.Now()) })
	defer stop()
	for {
		_ = l.SetDeadline(time.Time{}) // before the look at ctx, whose end may set it
		if ctx.Err() != nil {
			return nil, nil
		}
		conn, err := l.AcceptTCP()
		switch {
		case err == nil && right(conn):
			return conn, nil
		case err == nil:
			conn.Close()
		case errors.Is(err, net.ErrClosed):
			return nil, err
		default:
			wait(ctx, pauseTime)
		}
	}
}
