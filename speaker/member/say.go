package member

import (
	"context"
	"fmt"
	"time"

	"github.com/go-kit/log/level"
)

// Leaving tells the others that this node hands over what it owns. It returns
// when one of them was told, with an error if none was until ctx ends.
func (m *Membership) Leaving(ctx context.Context) error { return m.enter(ctx, leaving) }

// Restarting tells the others that this speaker is back within
// [RestartGrace]: nobody takes over until then. It returns as Leaving does.
func (m *Membership) Restarting(ctx context.Context) error { return m.enter(ctx, restarting) }

// Leave says goodbye: the others forget this speaker at once and do not take
// its node for dead. It is the last call before Run is ended.
func (m *Membership) Leave(ctx context.Context) error {
	if err := m.enter(ctx, gone); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.list == nil {
		return nil
	}
	if err := m.list.Leave(timeLeft(ctx)); err != nil {
		return fmt.Errorf("leave the members: %w", err)
	}
	return nil
}

func (m *Membership) enter(ctx context.Context, p phase) error {
	m.d.change(func(time.Time) { m.d.phase = p })
	if err := m.update(timeLeft(ctx)); err != nil {
		return fmt.Errorf("tell the members of %q: %w", p, err)
	}
	return nil
}

// update sends what this node says of itself.
func (m *Membership) update(within time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.list == nil {
		return nil // not up: it will be said at the start, or nobody listens any more
	}
	return m.list.UpdateNode(within)
}

// tellOthers sends changes of what this node says of itself.
func (m *Membership) tellOthers(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.tell:
			if err := m.update(tellWithin); err != nil {
				level.Debug(m.log).Log("msg", "telling members of a change", "err", err)
			}
		}
	}
}

// timeLeft is the time until ctx's deadline, for memberlist, which knows no
// contexts.
func timeLeft(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return max(time.Until(deadline), time.Millisecond)
	}
	return tellWithin
}
