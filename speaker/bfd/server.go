package bfd

import (
	"context"
	"fmt"
	"net"

	"github.com/steelyard-lb/steelyard/config/lines"
)

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
	err := lines.Serve(ctx, l, protocol, func(ctx context.Context, conn net.Conn) {
		_ = lines.Exchange(ctx, conn, lines.NewReader(conn, maxOrder, 0), s.obey, s.engine.Updates()) // the speaker comes again
	})
	if err != nil {
		return fmt.Errorf("speaker: %w", err)
	}
	return nil
}

func (s *Server) obey(sessions []Session) error {
	for i := range sessions {
		sessions[i].Independent = true
	}
	s.engine.Apply(sessions)
	return nil
}
