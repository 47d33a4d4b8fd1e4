package feed

import (
	"context"
	"time"
)

// Coalesce paces a loop: after a quiet time the next round may start at once
// (the leading edge), and rounds in a row start at least a gap apart, so that
// whatever happens in between is handled together. It belongs to one goroutine.
type Coalesce struct {
	gap   time.Duration
	clock Clock
	last  time.Time // start of the round before; zero before the first
}

// Clock is the time a [Coalesce] goes by.
type Clock interface {
	Now() time.Time
	// Sleep waits for d or until ctx is done, whose error it returns then.
	Sleep(ctx context.Context, d time.Duration) error
}

// NewCoalesce makes a pacer with the given gap; a nil clock means the time of
// this machine.
func NewCoalesce(gap time.Duration, clock Clock) *Coalesce {
	if clock == nil {
		clock = wallClock{}
	}
	return &Coalesce{gap: gap, clock: clock}
}

// Wait returns when the next round may start: at once if the round before
// started a gap ago or earlier. The error is ctx's.
func (c *Coalesce) Wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !c.last.IsZero() {
		if rest := c.gap - c.clock.Now().Sub(c.last); rest > 0 {
			if err := c.clock.Sleep(ctx, rest); err != nil {
				return err
			}
		}
	}
	c.last = c.clock.Now()
	return nil
}

type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

func (wallClock) Sleep(ctx context.Context, d time.Duration) error { return Sleep(ctx, d) }
