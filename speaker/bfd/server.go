package bfd

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/steelyard-lb/steelyard/config/lines"
)

// Listen opens the socket that a [Server] answers at.
func Listen(path string) (net.Listener, error) {
	l, err := lines.Listen(path)
	if err != nil {
		return nil, fmt.Errorf("listen for the speaker: %w", err)
	}
	return l, nil
}

// Server lets another process, the speaker, say which sessions an engine has.
// Both ways travel JSON values, one per line: first the number of the protocol,
// by which a client of another version knows, and then [Update]s from the engine,
// and to it slices of [Session], each of which replaces the one before. All
// sessions have the C bit: this process is not the one that uses them.
//
// When the speaker goes, the sessions stay; what happens meanwhile is told to
// the next. Of two speakers the one that came last counts.
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
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
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
	for in := lines.NewReader(conn, maxOrder, 0); ; {
		var sessions []Session
		if in.Next(&sessions) != nil {
			return
		}
		for i := range sessions {
			sessions[i].Independent = true
		}
		s.engine.Apply(sessions)
	}
}
