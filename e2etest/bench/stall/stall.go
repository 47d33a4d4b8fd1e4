// Package stall finds the moments in which the machine itself stood still, as a
// virtual one does when its host is busy: nobody on it can be punctual then.
package stall

import (
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
)

// every is how often Watch looks at the clock.
const every = 5 * time.Millisecond

// priority is above that of whoever is watched.
const priority = 90

// Watch looks at the clock in real time, before all others, and writes a line
// for each time at which it was late by more than the limit. The process should
// do nothing else. It returns only with an error.
func Watch(limit time.Duration, out io.Writer) error {
	debug.SetGCPercent(-1) // nothing is to stop the one thread that counts
	if err := bench.Urgent(priority); err != nil {
		return fmt.Errorf("watchdog: %w", err)
	}
	last := time.Now()
	for {
		pause := unix.NsecToTimespec(int64(every))
		_ = unix.Nanosleep(&pause, nil) // woken early is not late
		now := time.Now()
		if late := now.Sub(last) - every; late > limit {
			if _, err := fmt.Fprintf(out, "%s late %v\n", now.Format(time.RFC3339Nano), late); err != nil {
				return fmt.Errorf("tell of a stall: %w", err)
			}
		}
		last = now
	}
}
