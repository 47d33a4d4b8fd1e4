package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// permanent marks an error that waiting cannot mend.
type permanent struct{ error }

// pollInterval is small against what people notice and large against what the
// machine can do.
const pollInterval = 50 * time.Millisecond

// Poll calls check until it returns nil, and returns its last error when the
// time is up.
func Poll(ctx context.Context, within time.Duration, check func() error) error {
	deadline := time.Now().Add(within)
	for {
		err := check()
		if err == nil {
			return nil
		}
		var stop permanent
		if errors.As(err, &stop) {
			return stop.error
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %v: %w", within, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(pollInterval):
		}
	}
}
