package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/steelyard-lb/steelyard/config"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/client-go/rest"
)

func options(who string) LeaseOptions {
	return LeaseOptions{Namespace: home, Name: "steelyard-controller", Identity: who}
}

// ready has nothing to prepare.
func ready(context.Context) error { return nil }

// candidate is one process that wants to lead, over a connection of its own.
type candidate struct {
	client  *Client
	cut     atomic.Bool // its requests fail from now on: to others it is dead
	led     chan time.Time
	stop    context.CancelFunc
	done    chan error
	holding *atomic.Int32 // how many lead right now
	twice   *atomic.Bool
}

func (c *candidate) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.cut.Load() {
		return nil, errors.New("cut off")
	}
	return http.DefaultTransport.RoundTrip(r)
}

func newCandidate(t *testing.T, api *apiServer, who string, holding *atomic.Int32, twice *atomic.Bool) *candidate {
	t.Helper()
	return newPacedCandidate(t, api, options(who), holding, twice)
}

func newPacedCandidate(t *testing.T, api *apiServer, o LeaseOptions, holding *atomic.Int32, twice *atomic.Bool) *candidate {
	t.Helper()
	c := &candidate{led: make(chan time.Time, 100), done: make(chan error, 1), holding: holding, twice: twice}
	var err error
	if c.client, err = newClient(&rest.Config{Host: api.URL, Transport: c}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	go func() { c.done <- c.client.Lead(ctx, o, ready, c.run) }()
	t.Cleanup(func() {
		cancel()
		c.cut.Store(false)
		if err := <-c.done; err != nil {
			t.Errorf("%s: Lead: %v", o.Identity, err)
		}
	})
	return c
}

func (c *candidate) run(ctx context.Context) error {
	if c.holding.Add(1) > 1 {
		c.twice.Store(true)
	}
	c.led <- time.Now()
	<-ctx.Done()
	c.holding.Add(-1)
	return ctx.Err()
}

func (c *candidate) leads(t *testing.T, within time.Duration) time.Time {
	t.Helper()
	select {
	case at := <-c.led:
		return at
	case <-time.After(within):
		t.Fatalf("does not lead within %v", within)
		return time.Time{}
	}
}

func TestLeadHandsOver(t *testing.T) {
	api, _ := newAPIServer(t)
	var holding atomic.Int32
	var twice atomic.Bool
	a := newCandidate(t, api, "a", &holding, &twice)
	a.leads(t, 5*time.Second)
	b := newCandidate(t, api, "b", &holding, &twice)
	time.Sleep(time.Second)

	begin := time.Now() // killed: it says nothing
	a.cut.Store(true)
	if took := b.leads(t, 5*time.Second).Sub(begin); took > 3*time.Second {
		t.Errorf("hand-over after a kill took %v, want at most 3 s", took)
	} else {
		t.Logf("hand-over after a kill: %v", took)
	}
	a.cut.Store(false)
	time.Sleep(500 * time.Millisecond)

	begin = time.Now() // told to stop: it releases the Lease
	b.stop()
	if took := a.leads(t, 5*time.Second).Sub(begin); took > 700*time.Millisecond {
		t.Errorf("hand-over after a stop took %v", took)
	} else {
		t.Logf("hand-over after a stop: %v", took)
	}
	if twice.Load() {
		t.Error("two led at one time")
	}
	if o := stored[coordinationv1.Lease](t, api, "leases", config.Key{Namespace: home, Name: "steelyard-controller"}); *o.Spec.HolderIdentity != "a" {
		t.Errorf("holder = %s", *o.Spec.HolderIdentity)
	}
}

// TestLeadDoesNotFlapWhenTheAPIIsSlow: answers that take nearly a second of a
// Lease of 1.4 s cost nobody the lead. All is three times as slow here, so that
// a busy machine does not decide the test.
func TestLeadDoesNotFlapWhenTheAPIIsSlow(t *testing.T) {
	const slower = 3
	api, _ := newAPIServer(t)
	var holding atomic.Int32
	var twice atomic.Bool
	paced := func(who string) LeaseOptions {
		o := options(who)
		o.Lease, o.Retry = slower*defaultLease, slower*defaultRetry
		return o
	}
	a := newPacedCandidate(t, api, paced("a"), &holding, &twice)
	a.leads(t, 15*time.Second)
	b := newPacedCandidate(t, api, paced("b"), &holding, &twice)
	api.set(func() { api.delay = slower * 950 * time.Millisecond })
	time.Sleep(slower * 5 * time.Second)
	if len(a.led) != 0 || len(b.led) != 0 || holding.Load() != 1 {
		t.Errorf("leadership moved: a %d, b %d, leading now %d", len(a.led), len(b.led), holding.Load())
	}
	api.set(func() { api.delay = 0 })
}

func TestLeadEndsWithRunsError(t *testing.T) {
	_, c := newAPIServer(t)
	broken := errors.New("broken")
	if err := c.Lead(t.Context(), options("a"), ready, func(context.Context) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("error = %v", err)
	}
	if err := c.Lead(t.Context(), options("a"), ready, func(context.Context) error { return nil }); err != nil {
		t.Errorf("error = %v", err)
	}
}

func TestLeadWaitsForRunBeforeItReleases(t *testing.T) {
	api, c := newAPIServer(t)
	key := config.Key{Namespace: home, Name: "steelyard-controller"}
	ctx, cancel := context.WithCancel(t.Context())
	holder := func() string { return *stored[coordinationv1.Lease](t, api, "leases", key).Spec.HolderIdentity }
	err := c.Lead(ctx, options("a"), ready, func(ctx context.Context) error {
		cancel()
		<-ctx.Done()
		time.Sleep(400 * time.Millisecond)
		if h := holder(); h != "a" {
			t.Errorf("released to %q while run winds down", h)
		}
		return nil
	})
	if err != nil || holder() != "" {
		t.Errorf("error %v, holder %q", err, holder())
	}
}

func TestWritesStopAtTheFence(t *testing.T) {
	api, c := newAPIServer(t)
	api.put(t, "services", aService("web"))
	svc := known(t, api)
	f := newFence(time.Now(), time.Minute)
	ctx := withFence(t.Context(), f)
	if err := c.PatchService(ctx, svc, granted("x", "192.0.2.1")); !errors.Is(err, ErrNotLeader) {
		t.Errorf("past the fence: error = %v", err)
	}
	if _, err := c.ListServices(ctx); err != nil {
		t.Errorf("reading past the fence: %v", err)
	}
	f.beat(time.Now())
	f.extend(time.Now().Add(time.Minute))
	if err := c.PatchService(ctx, svc, granted("x", "192.0.2.1")); err != nil {
		t.Errorf("within the fence: %v", err)
	}
	if len(api.requests) != 1 {
		t.Errorf("requests: %v", api.requests)
	}
}

func TestStanding(t *testing.T) {
	api, c := newAPIServer(t)
	ask := Standing{Client: c, Namespace: home, DaemonSet: "steelyard-speaker", Node: "n1"}
	check := func(want bool, part string) {
		t.Helper()
		if leave, why := ask.Leaves(t.Context()); leave != want || !strings.Contains(why, part) {
			t.Errorf("leaves %v because %q, want %v, %q", leave, why, want, part)
		}
	}
	check(true, "DaemonSet is gone")
	set := map[string]any{"metadata": map[string]any{"namespace": home, "name": "steelyard-speaker"}}
	api.put(t, "daemonsets", set)
	check(true, "Node is gone")
	node := map[string]any{"metadata": map[string]any{"name": "n1"}}
	api.put(t, "nodes", node)
	check(false, "stay")
	node["spec"] = map[string]any{"taints": []any{map[string]any{"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}}}
	api.put(t, "nodes", node)
	check(true, "out of service")
	set["metadata"].(map[string]any)["deletionTimestamp"] = "2026-01-01T00:00:00Z"
	api.put(t, "daemonsets", set)
	check(true, "being deleted")
}

// as is the Lease of that name as one process sees it.
func as(c *Client, name, who string) *lease {
	return &lease{
		api: c.coordination, key: config.Key{Namespace: home, Name: name}, identity: who,
		duration: defaultLease, fence: newFence(time.Now(), time.Minute),
	}
}

// try looks at the Lease once and takes it if it is free.
func (l *lease) try(ctx context.Context) error {
	s := l.look(ctx)
	if s.err != nil {
		return s.err
	}
	if l.note(s); l.left() > 0 {
		return errHeld
	}
	return l.take(ctx)
}

// A process that was frozen past its Lease wants to release it when it is
// thawed, or had a renewal under way. It is its successor's by then.
func TestTheLeaseOfAnotherIsLeftAlone(t *testing.T) {
	_, client := newAPIServer(t)
	frozen, next := as(client, "l", "frozen"), as(client, "l", "next")
	if err := frozen.try(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := next.try(t.Context()); !errors.Is(err, errHeld) {
		t.Fatalf("taken while it is held: %v", err)
	}
	next.seenAt = time.Now().Add(-defaultLease)
	if err := next.try(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := frozen.fence.left(time.Now())
	if err := frozen.renew(t.Context(), time.Now()); !errors.Is(err, errHeld) || frozen.fence.left(time.Now()) > before {
		t.Errorf("a late renewal made the former holder certain, or did not tell: %v", err)
	}
	if err := frozen.release(t.Context()); !errors.Is(err, errHeld) {
		t.Errorf("release by the former holder: %v", err)
	}
	if err := next.release(t.Context()); err != nil {
		t.Errorf("release by the holder: %v", err)
	}
	next.fence.extend(time.Now().Add(time.Minute)) // as a renewal would that was under way
	if left := next.fence.left(time.Now()); left > 0 {
		t.Errorf("certain for %v after the release", left)
	}
}

// Answers to looks overtake each other. Only what is newer is a sign of life.
func TestAnOldSightingIsNoSignOfLife(t *testing.T) {
	begin := time.Now().Add(-time.Minute)
	l := &lease{identity: "next", duration: time.Hour}
	sight := func(sent time.Duration, version string) {
		s := sighting{sent: begin.Add(sent)}
		if version != "" {
			s.found = &coordinationv1.Lease{}
			s.found.ResourceVersion, s.found.Spec.HolderIdentity = version, new("holder")
		}
		l.note(s)
	}
	for _, c := range []struct {
		what    string
		sent    time.Duration // after begin; what is known was seen 10 s after it
		version string        // "": there is no Lease
		lives   bool
		known   string
	}{
		{"the same, asked later", 11 * time.Second, "20", false, "20"},
		{"a newer one", 11 * time.Second, "21", true, "21"},
		{"a newer one, asked before", 9 * time.Second, "21", true, "21"},
		{"an older one, asked before", 9 * time.Second, "19", false, "20"},
		{"none yet, asked before", 9 * time.Second, "", false, "20"},
		{"deleted", 11 * time.Second, "", true, ""},
		{"a server that begins anew", 11 * time.Second, "3", true, "3"},
	} {
		l.known, l.seenAt = nil, time.Time{}
		if l.left() != unknown {
			t.Fatalf("%v left of a Lease that was never seen", l.left())
		}
		sight(8*time.Second, "20")
		before := begin.Add(10 * time.Second)
		l.seenAt = before
		sight(c.sent, c.version)
		known := ""
		if l.known != nil {
			known = l.known.ResourceVersion
		}
		if known != c.known || l.seenAt.After(before) != c.lives {
			t.Errorf("%s: version %q is known, a sign of life %v; want %q, %v", c.what, known, l.seenAt.After(before), c.known, c.lives)
		}
	}
}

// TestLooksDoNotWaitForEachOther: a follower whose every other look hangs sees
// the holder all the same.
func TestLooksDoNotWaitForEachOther(t *testing.T) {
	api, c := newAPIServer(t)
	api.put(t, "leases", heldBy("dead"))
	free := make(chan struct{}) // the hanging looks are let go at the end
	defer close(free)
	var looks atomic.Int32
	api.set(func() {
		api.before = func(r *http.Request) {
			if r.Method == http.MethodGet && looks.Add(1)%2 == 1 {
				<-free
			}
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	o := options("a")
	o.Lease = time.Minute // no look is given up
	o.Retry = 5 * time.Millisecond
	seen := make(chan bool, 1)
	go func() {
		l := as(c, o.Name, o.Identity)
		l.duration = o.Lease
		words := &words{logger: log.LoggerFunc(func(kv ...any) error {
			if strings.Contains(fmt.Sprint(kv...), "leader is dead") {
				cancel()
			}
			return nil
		})}
		seen <- compete(ctx, l, o.Retry, words)
	}()
	select {
	case took := <-seen:
		if took {
			t.Error("a Lease was free that is held")
		}
	case <-time.After(20 * time.Second):
		t.Error("a look that hangs holds up the others")
		cancel()
		<-seen
	}
}

// The truth is read while the Lease is being taken: the read does not wait for
// the answer, and run waits for both.
func TestPreparingGoesBesideTaking(t *testing.T) {
	api, c := newAPIServer(t)
	prepared := make(chan struct{})
	api.set(func() {
		api.before = func(r *http.Request) {
			if r.Method == http.MethodPost {
				<-prepared
			}
		}
	})
	ready := false
	err := c.Lead(t.Context(), options("a"), func(context.Context) error {
		ready = true
		close(prepared)
		return nil
	}, func(context.Context) error {
		if !ready {
			t.Error("run did not wait for prepare")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	broken := errors.New("broken")
	err = c.Lead(t.Context(), options("a"), func(context.Context) error { return broken }, func(context.Context) error {
		t.Error("run although prepare failed")
		return nil
	})
	if !errors.Is(err, broken) {
		t.Errorf("error = %v", err)
	}
}

// Whoever is second to take the Lease stops preparing and goes on competing.
func TestPreparingEndsWhenOthersAreQuicker(t *testing.T) {
	api, c := newAPIServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	taken := make(chan struct{})
	var once sync.Once
	api.set(func() {
		api.before = func(r *http.Request) {
			if r.Method == http.MethodPost {
				once.Do(func() { close(taken); api.put(t, "leases", heldBy("other")) })
			}
		}
	})
	err := c.Lead(ctx, options("a"), func(preparing context.Context) error {
		<-taken
		select {
		case <-preparing.Done():
			cancel()
		case <-time.After(20 * time.Second):
			t.Error("prepares although another one leads")
		}
		return preparing.Err()
	}, func(context.Context) error {
		t.Error("two lead")
		return nil
	})
	if err != nil {
		t.Errorf("error = %v", err)
	}
}

// heldBy is the Lease of the tests in somebody's hands.
func heldBy(who string) map[string]any {
	return map[string]any{"metadata": map[string]any{"namespace": home, "name": "steelyard-controller"},
		"spec": map[string]any{"holderIdentity": who}}
}

// A process that stood still does not trust what is left of its certain time.
func TestAProcessThatStoodStillIsNotCertain(t *testing.T) {
	begin := time.Now()
	at := func(s int) time.Time { return begin.Add(time.Duration(s) * time.Second) }
	f := newFence(begin, 10*time.Second)
	f.beat(at(100)) // the first is never late
	f.extend(at(200))
	for now, want := range map[int]bool{100: true, 109: true, 110: false, 150: false} {
		if sure := f.left(at(now)) > 0; sure != want {
			t.Errorf("certain %v at %d s, want %v", sure, now, want)
		}
	}
	f.beat(at(109))
	if f.left(at(118)) <= 0 {
		t.Error("not certain though awake")
	}
	f.beat(at(120))
	f.extend(at(300))
	if f.left(at(120)) > 0 {
		t.Error("certain after it stood still")
	}
}

// A process that is told to stop right when it gets the Lease gives it back.
func TestNobodyHoldsALeaseWithoutKnowing(t *testing.T) {
	api, c := newAPIServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	api.set(func() {
		api.before = func(r *http.Request) {
			if r.Method == http.MethodPost { // the request to take the Lease is under way
				cancel()
			}
		}
	})
	if err := c.Lead(ctx, options("a"), ready, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }); err != nil {
		t.Fatal(err)
	}
	l := stored[coordinationv1.Lease](t, api, "leases", config.Key{Namespace: home, Name: "steelyard-controller"})
	if *l.Spec.HolderIdentity != "" || *l.Spec.LeaseTransitions != 0 {
		t.Errorf("held by %q", *l.Spec.HolderIdentity)
	}
}

// Whoever deletes a Lease ends the lead: another one may have it at once.
func TestLeadEndsWithItsLease(t *testing.T) {
	api, c := newAPIServer(t)
	key := config.Key{Namespace: home, Name: "steelyard-controller"}
	ctx, cancel := context.WithCancel(t.Context())
	terms := 0
	err := c.Lead(ctx, options("a"), ready, func(ctx context.Context) error {
		if terms++; terms == 2 {
			cancel()
		} else {
			api.remove("leases", key)
		}
		select {
		case <-ctx.Done():
		case <-time.After(defaultLease):
			t.Error("went on leading without a Lease")
		}
		return ctx.Err()
	})
	if err != nil || terms != 2 {
		t.Errorf("error %v, %d terms", err, terms)
	}
}
