package controller

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// TestLaggingCache: until the snapshot shows a write, it is not repeated, and
// nothing is granted twice.
func TestLaggingCache(t *testing.T) {
	c := newCluster(public)
	l := newLeader(c, Options{})
	old := service("a")
	c.set(old)
	l.step(c.snapshot(), l.now)
	l.write()
	c.drain()
	c.set(old) // the cache does not show it yet
	c.set(service("b"))
	l.step(c.snapshot(), l.now)
	l.write()
	expect(t, c, []string{"service b 192.0.2.11 VIP public true/Allocated"}, []string{"b Normal IPAllocated"})
}

// TestQuarrel: two writers of one status do not drive each other mad.
func TestQuarrel(t *testing.T) {
	c := newCluster(public)
	l := newLeader(c, Options{})
	c.set(service("a"))
	l.run()
	c.drain()
	for range 100 { // within one second
		c.edit("a", func(s *config.Service) { s.Addrs = nil })
		l.step(c.snapshot(), l.now)
		l.write()
		l.now = l.now.Add(10 * time.Millisecond)
	}
	if writes, _ := c.drain(); len(writes) == 0 || len(writes) > 10 {
		t.Errorf("%d writes in a second", len(writes))
	}
}

func TestFailedWritesAreRetried(t *testing.T) {
	c := newCluster(public)
	l := newLeader(c, Options{})
	down := true
	c.fail = func(string) error {
		if down {
			return errors.New("API is down")
		}
		return nil
	}
	c.set(service("a"))
	l.run()
	expect(t, c, nil, nil)
	down = false
	l.write()
	expect(t, c, nil, nil) // not before the pause is over
	l.now = l.now.Add(retryMin)
	l.write()
	expect(t, c, []string{"service a 192.0.2.10 VIP public true/Allocated"}, []string{"a Normal IPAllocated"})
}

// TestRefusedWritesAreTold once, and not if the API server just does not answer.
func TestRefusedWritesAreTold(t *testing.T) {
	for refusal, want := range map[error]int{
		fmt.Errorf("write IPReservation: %w (exceeded quota)", config.ErrRefused): 1,
		errors.New("API is down"): 0,
	} {
		c := newCluster(public)
		l := newLeader(c, Options{})
		c.fail = func(what string) error {
			if strings.HasPrefix(what, "service") {
				return refusal
			}
			return nil
		}
		c.set(service("a"))
		l.run()
		for range 10 {
			l.now = l.now.Add(retryMax)
			l.write()
		}
		_, events := c.drain()
		if len(events) != want || want > 0 && !strings.Contains(events[0], "a Warning WriteRefused: ") {
			t.Errorf("%v: events %q, want %d", refusal, events, want)
		}
	}
}

func TestConflictWaitsForTheFreshObject(t *testing.T) {
	c := newCluster(public)
	l := newLeader(c, Options{})
	conflicts := 1
	c.fail = func(what string) error {
		if conflicts--; strings.HasPrefix(what, "service") && conflicts >= 0 {
			return config.ErrConflict
		}
		return nil
	}
	c.setPools(public)
	c.set(service("a"))
	l.step(c.snapshot(), l.now)
	conflicts = 1
	l.write()
	expect(t, c, nil, nil)
	c.edit("a", func(s *config.Service) { s.Labels = map[string]string{"x": "y"} })
	l.run() // at once, without a pause
	expect(t, c, []string{"service a 192.0.2.10 VIP public true/Allocated"}, []string{"a Normal IPAllocated"})
}

func TestGoneObjectIsForgotten(t *testing.T) {
	c := newCluster(public)
	l := newLeader(c, Options{})
	c.fail = func(string) error { return config.ErrGone }
	c.set(service("a"))
	l.step(c.snapshot(), l.now)
	l.write()
	l.now = l.now.Add(time.Hour)
	c.fail = nil
	l.write()
	if writes, _ := c.drain(); len(writes) != 0 || l.out.depth() != 0 {
		t.Errorf("still writing: %v, %d waiting", writes, l.out.depth())
	}
}

// TestRecreatedServiceIsWritten although the write for the one before it, that
// says the same, is still under way and fails.
func TestRecreatedServiceIsWritten(t *testing.T) {
	c := newCluster(public)
	l := newLeader(c, Options{})
	c.set(service("a"))
	l.step(c.snapshot(), l.now)
	first, _ := l.out.peek(l.now)
	for first.ref.Kind != config.KindService {
		l.out.begin(first)
		l.finish(result{first, nil}, l.now)
		first, _ = l.out.peek(l.now)
	}
	l.out.begin(first)
	c.set(service("a", func(s *config.Service) { s.UID = "another" }))
	l.step(c.snapshot(), l.now)
	l.finish(result{first, config.ErrGone}, l.now)
	l.write()
	expect(t, c, []string{"service a 192.0.2.10 VIP public true/Allocated"}, []string{"a Normal IPAllocated"})
}
