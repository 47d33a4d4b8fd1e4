package bfd

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"time"
)

const (
	maxOrder   = 16 << 20        // bytes of one order: tens of thousands of sessions
	writeLimit = 5 * time.Second // a client that reads no more is given up
)

// Listen opens the socket that a [Server] answers at. What an earlier process
// left at the path is removed. Only this user's processes may connect.
func Listen(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove the socket of an earlier process: %w", err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen for the speaker: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("listen for the speaker: %w", err)
	}
	return l, nil
}

// Server lets another process, the speaker, say which sessions an engine has.
// Both ways travel JSON values, one per line: slices of [Session], each of which
// replaces the one before, to the engine, and [Update]s from it.
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
		_ = lines(conn, s.engine.Apply)
	})
	_ = tell(ctx, conn, s.engine.Updates())
}

// lines reads values, one per line, until conn ends or says something else.
func lines[T any](conn net.Conn, take func(T)) error {
	in := bufio.NewScanner(conn)
	in.Buffer(nil, maxOrder)
	for in.Scan() {
		var v T
		if err := json.Unmarshal(in.Bytes(), &v); err != nil {
			return fmt.Errorf("read from %v: %w", conn.RemoteAddr(), err)
		}
		take(v)
	}
	return in.Err()
}

// tell writes the values that come, one per line, until ctx ends or nobody
// reads them.
func tell[T any](ctx context.Context, conn net.Conn, values <-chan T) error {
	out := json.NewEncoder(conn)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case v := <-values:
			if err := errors.Join(conn.SetWriteDeadline(time.Now().Add(writeLimit)), out.Encode(v)); err != nil {
				return fmt.Errorf("write to %v: %w", conn.RemoteAddr(), err)
			}
		}
	}
}
