package relay

import (
	"context"
	"fmt"
	"net"

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
	err := lines.Serve(ctx, l, protocol, func(ctx context.Context, conn net.Conn) {
		_ = lines.Exchange(ctx, conn, lines.NewReader(conn, maxConfig, 0), s.engine.Apply, s.engine.Updates()) // the speaker comes again
	})
	if err != nil {
		return fmt.Errorf("speaker: %w", err)
	}
	return nil
}
