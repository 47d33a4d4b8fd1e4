package bfd

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// protocol is that of a [Server] and its [Client]. It changes with the meaning
// of what they say to each other; fields may be added without.
const protocol = 1

const (
	maxOrder   = 16 << 20        // bytes of one order: tens of thousands of sessions
	writeLimit = 5 * time.Second // a client that reads no more is given up
	silence    = 5 * time.Second // so is a server that says nothing: it does once a second
)

// greeting is what a server says first.
type greeting struct{ Protocol int }

// lines reads JSON values, one per line.
type lines struct {
	conn net.Conn
	in   *bufio.Scanner
	wait time.Duration // for each; 0: for ever
}

func linesOf(conn net.Conn, wait time.Duration) *lines {
	in := bufio.NewScanner(conn)
	in.Buffer(nil, maxOrder)
	return &lines{conn, in, wait}
}

// next reads the next value into v. The end is an error, [io.EOF].
func (l *lines) next(v any) error {
	if l.wait > 0 {
		if err := l.conn.SetReadDeadline(time.Now().Add(l.wait)); err != nil {
			return fmt.Errorf("read: %w", err)
		}
	}
	if !l.in.Scan() {
		err := l.in.Err()
		switch {
		case err == nil:
			err = io.EOF
		case errors.Is(err, os.ErrDeadlineExceeded):
			err = fmt.Errorf("nothing was said for %v: %w", l.wait, err)
		}
		return err
	}
	if err := json.Unmarshal(l.in.Bytes(), v); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}

// say writes a value as a line.
func say(conn net.Conn, v any) error {
	err := errors.Join(conn.SetWriteDeadline(time.Now().Add(writeLimit)), json.NewEncoder(conn).Encode(v))
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// pass says the values that come until ctx ends or nobody reads them.
func pass[T any](ctx context.Context, conn net.Conn, values <-chan T) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case v := <-values:
			if err := say(conn, v); err != nil {
				return err
			}
		}
	}
}
