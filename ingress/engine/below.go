package engine

import (
	"crypto/tls"
	"net"
	"os"
	"time"
)

// below is the connection below TLS: of a goroutine, which does the handshake, or of a
// loop.
type below struct {
	*net.TCPConn        // nil: it is a loop's
	link         *link  // of the loop; nil: none
	first        []byte // to be sent before all else, when it came from a loop
	turn         *turn  // of the handshake; nil: that is over
}

// under is what a connection of TLS is over.
func under(c *tls.Conn) *below { return c.NetConn().(*below) }

// dry tells TLS that nothing is there now, as a loop's socket says; it may read again.
type dry struct{}

func (dry) Error() string   { return "nothing came" }
func (dry) Timeout() bool   { return true }
func (dry) Temporary() bool { return true }

var errDry error = dry{}

// Read reads what a loop's socket has, or waits.
func (b *below) Read(p []byte) (n int, err error) {
	switch l := b.link; {
	case l == nil && b.turn != nil:
		return b.turn.read(b.TCPConn, p)
	case l == nil:
		return b.TCPConn.Read(p)
	case !l.more:
		return 0, errDry
	default:
		if n, l.more, err = l.receive(p); n == 0 && err == nil {
			err = errDry
		}
		return n, err
	}
}

// Write has a loop send p later: what TLS makes of one piece is one write.
func (b *below) Write(p []byte) (int, error) {
	if b.link != nil {
		b.link.gather(p)
		return len(p), nil
	}
	if len(b.first) > 0 {
		if _, err := b.TCPConn.Write(b.first); err != nil {
			return 0, err
		}
		b.first = nil
	}
	return b.TCPConn.Write(p)
}

// SetWriteDeadline bounds nothing in a loop, where nothing waits.
func (b *below) SetWriteDeadline(at time.Time) error {
	if b.link != nil {
		return nil
	}
	return b.TCPConn.SetWriteDeadline(at)
}

// turn is for a handshake. It has one of the few turns that there are while it
// computes, and none while it waits for its client: neither many handshakes nor slow
// ones keep the others, or traffic, from going on.
type turn struct {
	c        *conn
	deadline time.Time // of the handshake
	has      bool
}

// read gives the turn back for as long as nothing comes.
func (t *turn) read(from *net.TCPConn, b []byte) (int, error) {
	t.giveBack()
	n, err := from.Read(b)
	if err != nil {
		return n, err
	}
	t.c.waiting.Store(false)
	t.c.e.turns <- struct{}{}
	if t.has = true; time.Now().After(t.deadline) {
		return 0, os.ErrDeadlineExceeded
	}
	return n, nil
}

func (t *turn) giveBack() {
	if t.has {
		<-t.c.e.turns
		t.has = false
	}
}
