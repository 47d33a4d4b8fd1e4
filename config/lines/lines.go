// Package lines is how processes of one pod talk over a Unix socket: in JSON
// values, one per line.
package lines

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"time"
)

// writeLimit is for one value: a peer that reads no more is given up.
const writeLimit = 5 * time.Second

// Listen opens a socket at path. What an earlier process left there is removed.
// Only this user's processes may connect.
func Listen(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove the socket of an earlier process: %w", err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen at a socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("listen at a socket: %w", err)
	}
	return l, nil
}

// Reader reads values.
type Reader struct {
	conn net.Conn
	in   *bufio.Scanner
	wait time.Duration
}

// NewReader makes a reader of values of at most size bytes, for each of which it
// waits no longer than wait; 0: for ever.
func NewReader(conn net.Conn, size int, wait time.Duration) *Reader {
	in := bufio.NewScanner(conn)
	in.Buffer(nil, size)
	return &Reader{conn, in, wait}
}

// Next reads the next value into v. The end is an error, [io.EOF].
func (r *Reader) Next(v any) error {
	if r.wait > 0 {
		if err := r.conn.SetReadDeadline(time.Now().Add(r.wait)); err != nil {
			return fmt.Errorf("read: %w", err)
		}
	}
	if !r.in.Scan() {
		err := r.in.Err()
		switch {
		case err == nil:
			err = io.EOF
		case errors.Is(err, os.ErrDeadlineExceeded):
			err = fmt.Errorf("nothing was said for %v: %w", r.wait, err)
		}
		return err
	}
	if err := json.Unmarshal(r.in.Bytes(), v); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}

// Say writes a value.
func Say(conn net.Conn, v any) error {
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
			if err := Say(conn, v); err != nil {
				return err
			}
		}
	}
}
