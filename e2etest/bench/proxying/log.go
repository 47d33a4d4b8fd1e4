package proxying

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
)

// accessLog is the file into which a proxy writes a line for each request; "" if
// it does not.
type accessLog string

// Proxies may keep lines back: nginx is told to do so for a second at most. HAProxy
// drops those that two threads want to write at once, one in a hundred.
const (
	logQuiet  = 1200 * time.Millisecond // and then nothing more comes
	logWithin = 10 * time.Second
	logLeast  = 0.95 // of the requests; else the work was not the same
)

// take waits until n lines are there, or no more come, empties the file, and tells
// which part of the lines was there.
func (l accessLog) take(ctx context.Context, n int) (share float64, err error) {
	if l == "" {
		return 0, nil
	}
	have, grown := 0, time.Now()
	err = bench.Await(ctx, logWithin, 20*time.Millisecond, func() error {
		now, err := countLines(string(l))
		if err != nil {
			return err
		}
		if now != have {
			have, grown = now, time.Now()
		}
		if have < n && time.Since(grown) < logQuiet {
			return errors.New("the access log goes on growing")
		}
		return nil
	})
	if err := errors.Join(err, os.Truncate(string(l), 0)); err != nil { // all append to it
		return 0, err
	}
	share = float64(have) / float64(n)
	if share < logLeast || share > 1 {
		return share, fmt.Errorf("access log: %d lines of %d requests", have, n)
	}
	return share, nil
}

func countLines(path string) (n int, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	for buf := make([]byte, 256<<10); ; {
		read, err := file.Read(buf)
		n += bytes.Count(buf[:read], []byte{'\n'})
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
}
