package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config/lines"
)

// Server lets another process, the speaker, say what an engine relays. Both ways
// travel JSON values, one per line: first the number of the protocol, then
// [Status]es from the engine, and to it [Config]s, each of which replaces the one
// before.
//
// When the speaker goes, the engine goes on with what it has. Of two speakers the
// one that came last counts.
type Server struct {
	engine *Engine
}

// NewServer makes a server for an engine, whose updates it takes.
func NewServer(e *Engine) *Server { return &Server{e} }

// Run serves at l until ctx ends, and closes it.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	var last sync.WaitGroup
	defer last.Wait()
	end := func() {} // of the speaker before
	defer func() { end() }()
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return nil
		case passes(err):
			pause(ctx, redial)
			continue
		default:
			return fmt.Errorf("wait for the speaker: %w", err)
		}
		end()
		last.Wait()
		serving, stop := context.WithCancel(ctx)
		end = stop
		last.Go(func() {
			defer stop()
			s.serve(serving, conn)
		})
	}
}

// passes tells whether accepting fails for a while only, for want of files or
// memory: that must not end the relay, which has connections to serve.
func passes(err error) bool {
	for _, errno := range []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ECONNABORTED} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// serve talks to one speaker until it goes or ctx ends.
func (s *Server) serve(ctx context.Context, conn net.Conn) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	var orders sync.WaitGroup
	defer orders.Wait()
	defer stop() // before the wait
	orders.Go(func() {
		defer stop()
		s.obey(conn)
	})
	if lines.Say(conn, greeting{protocol}) == nil {
		_ = lines.Pass(ctx, conn, s.engine.Updates())
	}
}

// obey applies what a speaker wants until it goes or says something else.
func (s *Server) obey(conn net.Conn) {
	for in := lines.NewReader(conn, maxConfig, 0); ; {
		var c Config
		if in.Next(&c) != nil || s.engine.Apply(c) != nil {
			return
		}
	}
}
