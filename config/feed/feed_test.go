package feed

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestLatestKeepsTheNewest(t *testing.T) {
	l := NewLatest[int](nil)
	for i := range 5 {
		l.Put(i)
	}
	if got := <-l.C(); got != 4 {
		t.Errorf("took %d, want the newest, 4", got)
	}
	select {
	case v := <-l.C():
		t.Errorf("a second value %d", v)
	default:
	}
}

func TestLatestMergesWhatWasNotTaken(t *testing.T) {
	l := NewLatest(func(old, next []int) []int { return append(slices.Clone(old), next...) })
	l.Put([]int{1})
	l.Put([]int{2})
	l.Put([]int{3})
	if got := <-l.C(); !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("took %v, want all three", got)
	}
	l.Put([]int{4})
	if got := <-l.C(); !slices.Equal(got, []int{4}) {
		t.Errorf("took %v: a value that was taken came again", got)
	}
}

// Nothing is lost and nothing comes twice, whatever the interleaving.
func TestLatestUnderConcurrency(t *testing.T) {
	l := NewLatest(func(old, next int) int { return old + next })
	const writers, each = 4, 1000
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				l.Put(1)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	sum := 0
	for finished := false; !finished; {
		select {
		case v := <-l.C():
			sum += v
		case <-done:
			finished = true
		}
	}
	select {
	case v := <-l.C():
		sum += v
	default:
	}
	if sum != writers*each {
		t.Errorf("received %d, want %d", sum, writers*each)
	}
}

// handClock is a clock that only moves by sleeping and by hand.
type handClock struct {
	now   time.Time
	slept []time.Duration
}

func (c *handClock) Now() time.Time { return c.now }

func (c *handClock) Sleep(ctx context.Context, d time.Duration) error {
	c.slept = append(c.slept, d)
	c.now = c.now.Add(d)
	return ctx.Err()
}

func TestCoalesceLeadingEdgeThenGap(t *testing.T) {
	const ms = time.Millisecond
	clock := &handClock{now: time.Unix(1000, 0)}
	c := NewCoalesce(20*ms, clock)
	steps := []struct {
		pass time.Duration // between the round before and this call
		want []time.Duration
	}{
		{0, nil},                                     // the first goes at once
		{5 * ms, []time.Duration{15 * ms}},           // 15 ms are missing
		{0, []time.Duration{15 * ms, 20 * ms}},       // a whole gap
		{20 * ms, []time.Duration{15 * ms, 20 * ms}}, // exactly a gap: at once
		{time.Hour, []time.Duration{15 * ms, 20 * ms}},
	}
	for i, s := range steps {
		clock.now = clock.now.Add(s.pass)
		if err := c.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(clock.slept, s.want) {
			t.Errorf("step %d: slept %v, want %v", i, clock.slept, s.want)
		}
	}
}

func TestCoalesceStopsWithItsContext(t *testing.T) {
	c := NewCoalesce(time.Hour, nil)
	ctx, cancel := context.WithCancel(t.Context())
	if err := c.Wait(ctx); err != nil {
		t.Fatalf("first round: %v", err)
	}
	time.AfterFunc(10*time.Millisecond, cancel)
	if err := c.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
	if err := c.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
}
