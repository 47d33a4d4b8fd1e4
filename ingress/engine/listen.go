package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config/poll"
)

// listener is one that speaks HTTP or HTTPS.
type listener struct {
	*net.TCPListener
	secure bool
}

// listen opens a listener of plain TCP. One of MPTCP, which Go makes by default,
// takes no filter, so that it could not end without resetting clients. Others may be
// opened beside one that is shared.
func listen(addr string, shared bool) (*net.TCPListener, error) {
	plain := net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, raw syscall.RawConn) error { return setOptions(raw, shared) }}
	plain.SetMultipathTCP(false)
	l, err := plain.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

// setOptions sets those that connections have from their listening socket, which costs
// each of them nothing. One that is shared has its address with others, to which the
// kernel spreads the clients.
func setOptions(raw syscall.RawConn, shared bool) error {
	options := []struct{ level, name, value int }{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15},
	}
	if shared {
		options = append(options, struct{ level, name, value int }{unix.SOL_SOCKET, unix.SO_REUSEPORT, 1})
	}
	var failed error
	err := raw.Control(func(fd uintptr) {
		for _, o := range options {
			failed = errors.Join(failed, unix.SetsockoptInt(int(fd), o.level, o.name, o.value))
		}
	})
	return errors.Join(err, failed)
}

// accept serves the clients of one listener until ctx ends, those included that
// are in its queue then: closing a listener resets them, although they have a
// connection and may have sent their request.
func (e *Engine) accept(ctx context.Context, l listener) error {
	defer context.AfterFunc(ctx, func() { _ = l.SetDeadline(time.Unix(1, 0)) })()
	defer l.Close()
	for {
		c, err := l.AcceptTCP()
		switch {
		case err == nil:
			e.begin(c, l.secure)
		case ctx.Err() != nil:
			return e.lastOnes(l)
		case poll.Passing(err):
			time.Sleep(10 * time.Millisecond)
		default:
			return fmt.Errorf("listener %v: %w", l.Addr(), err)
		}
	}
}

// settleFor is how long there must be nobody new before all handshakes that were
// begun are taken to have ended.
const settleFor = 200 * time.Millisecond

// lastOnes has the kernel begin no more handshakes, waits for those that were
// begun, and accepts all that came of them. Without the first it does not wait
// longer for those that come anew.
func (e *Engine) lastOnes(l listener) error {
	open := refuseNew(l.TCPListener)
	if open != nil {
		warnOpen(e.opts.Logger, l.Addr(), open)
	}
	for end := time.Now().Add(settleFor); ; {
		_ = l.SetDeadline(end)
		c, err := l.AcceptTCP()
		switch {
		case err == nil:
			e.begin(c, l.secure)
			if open == nil {
				end = time.Now().Add(settleFor)
			}
		case errors.Is(err, os.ErrDeadlineExceeded):
			if !time.Now().Before(end) {
				return nil
			}
		case !poll.Passing(err):
			return fmt.Errorf("listener %v: %w", l.Addr(), err)
		}
	}
}

func warnOpen(logger log.Logger, addr net.Addr, err error) {
	level.Warn(logger).Log("msg", "the kernel goes on taking clients, some of which may be reset", "addr", addr, "err", err)
}

// refuseNew has the kernel begin no more handshakes for a listener.
func refuseNew(l *net.TCPListener) error {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = poll.RefuseSYN(int(fd)) })
	return errors.Join(err, failed)
}

// begin serves a new connection.
func (e *Engine) begin(tcp *net.TCPConn, secure bool) {
	c := newConn(e, tcp, secure)
	if secure {
		e.own(c, c.meet)
	} else {
		e.own(c, c.serve)
	}
}

// own has a goroutine serve a connection, which is closed then.
func (e *Engine) own(c *conn, serve func()) {
	e.mu.Lock()
	if e.conns[c] = struct{}{}; e.over {
		c.cut() // it comes of a loop, too late
	}
	e.mu.Unlock()
	open := c.book.open(c.proto)
	open.Add(1)
	e.ended.Go(func() {
		defer func() {
			c.leave()
			open.Add(-1)
			e.mu.Lock()
			delete(e.conns, c)
			e.mu.Unlock()
		}()
		serve()
	})
}
