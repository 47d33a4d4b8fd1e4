package kubelet

import "time"

// backoff is the pause before restarts of one container: it doubles with each
// restart up to max and starts over after a run of twice max.
type backoff struct {
	base, max time.Duration
	next      time.Duration
}

// after returns the pause before the restart of a container that ran for the
// given time.
func (b *backoff) after(ran time.Duration) time.Duration {
	if b.next == 0 || ran > 2*b.max {
		b.next = b.base
	}
	pause := min(b.next, b.max)
	b.next = min(2*b.next, b.max)
	return pause
}
