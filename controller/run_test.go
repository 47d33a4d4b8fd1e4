package controller

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/steelyard-lb/steelyard/config"
)

// feed sends a snapshot after every write, newest wins, as the real feed does.
func (c *cluster) feed() <-chan *config.Snapshot {
	out := make(chan *config.Snapshot, 1)
	var one sync.Mutex // snapshots are sent in the order they are made
	c.seen = func() {
		one.Lock()
		defer one.Unlock()
		snap := c.snapshot()
		select {
		case old := <-out:
			snap.Changed = old.Changed.Merge(snap.Changed)
		default:
		}
		out <- snap
	}
	c.seen()
	return out
}

// serve runs a Controller until done, then ends its leadership.
func serve(t *testing.T, c *cluster, ctl *Controller, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- ctl.Run(ctx, c.feed()) }()
	deadline := time.Now().Add(20 * time.Second)
	for !done() && time.Now().Before(deadline) {
		time.Sleep(2 * time.Millisecond)
	}
	if !done() {
		t.Error("not done in 20 s")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func (c *cluster) served() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.services {
		if len(s.Addrs) > 0 {
			n++
		}
	}
	return n
}

func (c *cluster) addrs(t *testing.T) map[netip.Addr]string {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[netip.Addr]string{}
	for key, s := range c.services {
		for _, a := range s.Addrs {
			if other, ok := out[a]; ok {
				t.Errorf("%v is on %s and on %s", a, other, key.Name)
			}
			out[a] = key.Name
		}
	}
	return out
}

// TestRunServesManyThroughFlakyAPI: every tenth write fails, leaders come and
// go; every Service has one address of its own in the end and no leader moves
// what another gave.
func TestRunServesManyThroughFlakyAPI(t *testing.T) {
	const n = 300
	c := newCluster(pool("big", "10.0.0.0-10.0.255.255", "2001:db8::-2001:db8::ffff"))
	for i := range n {
		c.set(service(fmt.Sprintf("s%04d", i), dual))
	}
	attempts := 0
	c.fail = func(string) error {
		if attempts++; attempts%10 == 0 {
			return errors.New("flaky")
		}
		return nil
	}
	logger := log.NewNopLogger()
	serve(t, c, New(Options{}, c, logger, nil), func() bool { return c.served() >= n/2 })
	before := c.addrs(t)
	ctl := New(Options{}, c, logger, prometheus.NewRegistry())
	serve(t, c, ctl, func() bool { return c.served() == n })
	after := c.addrs(t)
	if len(after) != 2*n {
		t.Errorf("%d addresses on %d dual-stack Services", len(after), n)
	}
	for a, name := range before {
		if after[a] != name {
			t.Errorf("%v moved from %s to %s", a, name, after[a])
		}
	}
	if got := testutil.ToFloat64(ctl.metrics.inUse.WithLabelValues("big", "IPv6")); got != n {
		t.Errorf("metric says %v addresses in use, want %d", got, n)
	}
}

func TestRunEndsWhenSnapshotsEnd(t *testing.T) {
	snaps := make(chan *config.Snapshot)
	close(snaps)
	err := New(Options{}, newCluster(), log.NewNopLogger(), nil).Run(t.Context(), snaps)
	if !errors.Is(err, errSnapshotsEnded) {
		t.Errorf("Run = %v", err)
	}
}

// stuck is an API that never answers.
type stuck struct{ *cluster }

func (s stuck) PatchService(ctx context.Context, _ *config.Service, _ config.ServiceStatus) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestNoWriteOutlivesTheLease: Run returns within lastWords, and only after its
// writes were cut off; each write has its own deadline before that.
func TestNoWriteOutlivesTheLease(t *testing.T) {
	c := newCluster(public)
	c.set(service("a"))
	ctl := New(Options{WriteTimeout: 30 * time.Millisecond}, stuck{c}, log.NewNopLogger(), nil)
	timeouts := func() float64 { return testutil.ToFloat64(ctl.metrics.writes.WithLabelValues("Service", "timeout")) }
	serve(t, c, ctl, func() bool { return timeouts() >= 2 })
}

// slow is an API whose answers take their time.
type slow struct {
	*cluster
	asked, answer chan struct{}
}

func (s slow) PatchService(ctx context.Context, svc *config.Service, status config.ServiceStatus) error {
	s.asked <- struct{}{}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.answer:
		return s.cluster.PatchService(ctx, svc, status)
	}
}

// TestAWriteUnderWayIsHeardOut: Run ends when what was sent has been answered,
// so that the next leader reads what it did.
func TestAWriteUnderWayIsHeardOut(t *testing.T) {
	c := slow{newCluster(public), make(chan struct{}), make(chan struct{})}
	c.set(service("a"))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- New(Options{}, c, log.NewNopLogger(), nil).Run(ctx, c.feed()) }()
	<-c.asked
	cancel()
	select {
	case <-ended:
		t.Error("Run ended while a write was under way")
	case <-time.After(50 * time.Millisecond):
	}
	close(c.answer)
	if err := <-ended; err != nil || c.served() != 1 {
		t.Errorf("Run = %v, %d Services served", err, c.served())
	}
}

func TestPoolStatusAndProblems(t *testing.T) {
	c := newCluster(public)
	ref := config.Ref{Kind: config.KindIPAddressPool, Key: config.Key{Namespace: "sys", Name: "bad"}}
	c.problems = []config.Problem{
		{Object: ref, Field: "spec.addresses[0]", Reason: "Overlap", Message: "overlaps public", Remedy: "change one"},
		{Object: config.Ref{Kind: config.KindService, Key: config.Key{Namespace: "t", Name: "theirs"}}, Reason: "Invalid", Message: "x"},
		{Object: config.Ref{Kind: config.KindBGPPeer, Key: config.Key{Namespace: "sys", Name: "tor"}}, Reason: "NotFound", Message: "no such secret"},
	}
	c.set(service("theirs", class("other")))
	c.set(service("a"))
	l := newLeader(c, Options{Namespace: "sys"})
	l.run()
	_, events := c.drain()
	told := strings.Join(events, "\n")
	for _, want := range []string{"bad Warning Overlap: spec.addresses[0]: overlaps public; change one", "tor Warning NotFound"} {
		if strings.Count(told, want) != 1 {
			t.Errorf("%q is not told once:\n%s", want, told)
		}
	}
	if strings.Contains(told, "theirs") {
		t.Errorf("told about somebody else's Service:\n%s", told)
	}
	l.now = l.now.Add(2 * poolGap)
	l.write()
	if got := c.status["sys/public"]; got.Assigned4 != 1 || got.Available4 != 1 || got.Available6 != 2 || !got.Conditions[0].Status {
		t.Errorf("status of public: %+v", got)
	}
	if got := c.status["sys/bad"].Conditions; len(got) != 1 || got[0].Status || got[0].Reason != "Overlap" {
		t.Errorf("conditions of bad: %+v", got)
	}
	if got := c.status["BGPPeer sys/tor"].Conditions; len(got) != 1 || got[0].Status || got[0].Reason != "NotFound" {
		t.Errorf("conditions of tor: %+v", got)
	}
	l.run()
	if _, events := c.drain(); len(events) != 0 {
		t.Errorf("told twice: %v", events)
	}
}

// TestPoolCountsAreWrittenAtMostOnceASecond whatever happens in between.
func TestPoolCountsAreWrittenAtMostOnceASecond(t *testing.T) {
	c := newCluster(pool("big", "10.0.0.0-10.0.255.255"))
	l := newLeader(c, Options{})
	for i := range 50 {
		c.set(service(fmt.Sprintf("s%d", i)))
		l.run()
		l.now = l.now.Add(100 * time.Millisecond)
	}
	n := 0
	for _, w := range c.writes {
		if w == "pool big" {
			n++
		}
	}
	if n < 4 || n > 6 {
		t.Errorf("%d writes of the pool in 5 s", n)
	}
	if got := c.status["big"].Assigned4; got < 40 {
		t.Errorf("the last count is %d", got)
	}
}
