package lines

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/steelyard-lb/steelyard/config/feed"
)

// Server is a process that can be talked to. It has [Serve].
type Server struct {
	Path     string // of its socket
	Name     string // for errors: "the relay"
	Protocol int    // that both must speak
	Size     int    // bytes that one of its values may have
	// Silence is when it is given up: it says something more often than that.
	Silence time.Duration
}

// Conversation is what is said to a process and what is done with its answers.
type Conversation[In, Out any] struct {
	Begin func() // called before each attempt to reach it: what it needs to know goes into Out
	Out   <-chan Out
	Heard func(In)
	Lost  func(error) // why nothing is known of it, after each attempt
}

// Talk talks to the process until ctx ends. When it cannot be reached, says nothing
// for too long or speaks another protocol, that is told, and it is tried again.
func Talk[In, Out any](ctx context.Context, s Server, c Conversation[In, Out]) {
	for ctx.Err() == nil {
		c.Begin()
		err := s.talk(ctx, func(conn net.Conn, in *Reader) error {
			return Exchange(ctx, conn, in, func(v In) error { c.Heard(v); return nil }, c.Out)
		})
		if ctx.Err() != nil {
			return
		}
		c.Lost(err)
		_ = feed.Sleep(ctx, again)
	}
}

// talk connects, and has the two talk to each other if they are of one protocol.
func (s Server) talk(ctx context.Context, exchange func(net.Conn, *Reader) error) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", s.Path)
	if err != nil {
		return fmt.Errorf("reach %s: %w", s.Name, err)
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	in := NewReader(conn, s.Size, s.Silence)
	var met greeting
	if err := in.Next(&met); err != nil {
		return fmt.Errorf("listen to %s: %w", s.Name, err)
	}
	if met.Protocol != s.Protocol {
		return fmt.Errorf("%s is of another version, protocol %d and not %d: replace the pod", s.Name, met.Protocol, s.Protocol)
	}
	if err := exchange(conn, in); err != nil {
		return fmt.Errorf("listen to %s: %w", s.Name, err)
	}
	return nil
}

// Exchange says what comes through out, and hands what the other process says to
// take, until ctx ends, the other process goes, or take has an error. It closes the
// connection, and its error is why no more could be read.
func Exchange[In, Out any](ctx context.Context, conn net.Conn, in *Reader, take func(In) error, out <-chan Out) error {
	ctx, stop := context.WithCancel(ctx)
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	var saying sync.WaitGroup
	defer saying.Wait()
	defer stop() // before the wait
	saying.Go(func() {
		defer stop()
		_ = pass(ctx, conn, out) // the reader says why
	})
	for {
		var v In
		if err := in.Next(&v); err != nil {
			return err
		}
		if err := take(v); err != nil {
			return err
		}
	}
}
