package engine

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/ingress/balance"
	"github.com/steelyard-lb/steelyard/ingress/http"
)

// endpoint is one address that answers requests.
type endpoint struct {
	*balance.Endpoint // what its share of the requests depends on
	addr              string
	to                netip.AddrPort // the same
	protocol          Protocol
	tls               *tls.Config // nil: none

	mu      sync.Mutex
	idle    []*backend // the one used last is at the end
	retired bool       // no Config names it any more: nothing is kept

	connecting context.Context // of connections that are being opened
	giveUp     func()          // ends it

	sessions []*backendSession // if it speaks HTTP/2
	opening  *opening          // of one more of those
	serving  sync.WaitGroup    // their goroutines

	stocks []stock // for each loop, which alone has it
}

func newEndpoint(at place, loops int) *endpoint {
	e := &endpoint{
		Endpoint: balance.NewEndpoint(at.addr, time.Since(epoch)),
		addr:     at.addr.String(), to: at.addr, protocol: at.protocol, stocks: make([]stock, loops),
	}
	e.connecting, e.giveUp = context.WithCancel(context.Background())
	if !at.secure {
		return e
	}
	e.tls = &tls.Config{
		ServerName:         cmp.Or(at.tls.Name, at.addr.Addr().WithZone("").String()),
		RootCAs:            at.tls.Roots,
		InsecureSkipVerify: at.tls.Insecure,
		NextProtos:         []string{"http/1.1"},
		MinVersion:         tls.VersionTLS12,
		ClientSessionCache: tls.NewLRUClientSessionCache(4), DynamicRecordSizingDisabled: true,
	}
	if c := at.tls.Certificate; c != nil {
		e.tls.Certificates = []tls.Certificate{*c}
	}
	if at.protocol == HTTP2 {
		e.tls.NextProtos = []string{"h2"}
	}
	return e
}

// backend is a connection to an endpoint.
type backend struct {
	*net.TCPConn
	wire   wire // the same, or TLS over it
	client http.Client
	born   time.Time
	free   time.Time // when it became idle
	x      *exchange // whose it is for the time
}

// eject notes that it took no connection.
func (e *endpoint) eject(now time.Time) { e.Fail(now.Sub(epoch)) }

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

// retire closes what is idle, gives up what is being opened, for it may be gone without
// a word, and has nothing be kept from now on.
func (e *endpoint) retire() {
	e.mu.Lock()
	old, sessions, giveUp := e.idle, slices.Clone(e.sessions), e.giveUp
	e.idle, e.retired = nil, true
	e.connecting, e.giveUp = context.WithCancel(context.Background()) // of requests that began before
	e.mu.Unlock()
	giveUp()
	closeAll(old)
	for _, s := range sessions {
		s.retire()
	}
}

func (e *endpoint) isRetired() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.retired
}

// cut ends all connections of HTTP/2.
func (e *endpoint) cut() {
	e.mu.Lock()
	sessions := slices.Clone(e.sessions)
	e.mu.Unlock()
	for _, s := range sessions {
		s.cut()
	}
	e.serving.Wait()
}

func closeAll(list []*backend) {
	for _, b := range list {
		_ = b.Close()
	}
}

// dial opens a connection for HTTP/1.1.
func (e *endpoint) dial(o *Options) (*backend, error) {
	tcp, over, err := e.connect(o)
	if err != nil {
		return nil, err
	}
	return &backend{TCPConn: tcp, wire: over, client: http.NewClient(o.Limits), born: time.Now()}, nil
}

// connect opens a connection, and does the handshake of TLS if there is to be one.
func (e *endpoint) connect(o *Options) (*net.TCPConn, wire, error) {
	e.mu.Lock()
	connecting := e.connecting
	e.mu.Unlock()
	ctx, cancel := context.WithTimeout(connecting, o.Connect)
	defer cancel()
	var dialer net.Dialer
	if e.protocol == HTTP2 {
		dialer.Control = loseSoon
	}
	c, err := dialer.DialContext(ctx, "tcp", e.addr)
	if err != nil {
		return nil, nil, fmt.Errorf("connect to endpoint: %w", err)
	}
	tcp := c.(*net.TCPConn)
	if e.tls == nil {
		return tcp, tcp, nil
	}
	session := tls.Client(tcp, e.tls)
	err = session.HandshakeContext(ctx)
	if err == nil && e.protocol == HTTP2 && session.ConnectionState().NegotiatedProtocol != "h2" {
		err = errNotHTTP2
	}
	if err != nil {
		_ = tcp.Close()
		return nil, nil, fmt.Errorf("TLS with endpoint: %w", err)
	}
	return tcp, session, nil
}

// loseSoon has a connection end when what is sent on it is not acknowledged: one of
// HTTP/2 to a node that is lost would have all requests that come wait for their
// answers in vain. Over HTTP/1.1 that would cut endpoints that do not read for as long,
// which over HTTP/2 they do.
func loseSoon(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(lostAfter.Milliseconds()))
	})
	return errors.Join(err, failed)
}

var errNotHTTP2 = errors.New("it does not speak HTTP/2")
