package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// ready counts what a follower tells the health endpoint.
type ready struct {
	mu    sync.Mutex
	parts []string
}

func (r *ready) Ready(part string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parts = append(r.parts, part)
}

func (r *ready) said() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.parts)
}

// following is a follower at work and the watch that feeds it.
type following struct {
	*follower
	t     *testing.T
	watch chan *config.Snapshot
	seen  int
	heard *ready
}

func follow(t *testing.T) *following {
	t.Helper()
	watch, heard := make(chan *config.Snapshot), &ready{}
	f := &following{follower: &follower{in: watch, health: heard}, t: t, watch: watch, heard: heard}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := receive(t, done); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return f
}

// see lets the follower take in a snapshot, and returns when it has.
func (f *following) see(snap *config.Snapshot) {
	f.t.Helper()
	select {
	case f.watch <- snap:
	case <-time.After(5 * time.Second):
		f.t.Fatal("the follower does not take a snapshot")
	}
	f.seen++
	for range 5000 {
		if len(f.heard.said()) == f.seen {
			return
		}
		time.Sleep(time.Millisecond)
	}
	f.t.Fatal("the follower never told that it is ready")
}

func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(5 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func quiet(t *testing.T, c <-chan *config.Snapshot) {
	t.Helper()
	select {
	case snap := <-c:
		t.Fatalf("a snapshot too much: revision %d, changed %+v", snap.Revision, snap.Changed)
	case <-time.After(20 * time.Millisecond):
	}
}

func service(name string, addrs ...string) *config.Service {
	svc := &config.Service{Key: config.Key{Namespace: "default", Name: name}, Type: config.LoadBalancer}
	for _, a := range addrs {
		svc.Addrs = append(svc.Addrs, addr(a))
	}
	return svc
}

func services(list ...*config.Service) config.Table[config.Key, *config.Service] {
	m := map[config.Key]*config.Service{}
	for _, svc := range list {
		m[svc.Key] = svc
	}
	return config.TableOf(m)
}

func names(snap *config.Snapshot) string {
	var out []string
	for key, svc := range maps.Collect(snap.Services.All()) {
		out = append(out, fmt.Sprint(key.Name, svc.Addrs))
	}
	slices.Sort(out)
	return fmt.Sprint(out)
}

func changed(names ...string) config.Changes {
	c := config.Changes{}
	for _, n := range names {
		c.Services = append(c.Services, config.Key{Namespace: "default", Name: n})
	}
	return c
}

func TestATermBeginsWithAllThatIsKnown(t *testing.T) {
	f := follow(t)
	pool := &config.Pool{Name: "lan"}
	f.see(&config.Snapshot{Revision: 6, Pools: []*config.Pool{pool}, Changed: config.Changes{All: true}})
	f.see(&config.Snapshot{Revision: 7, Pools: []*config.Pool{pool}, Services: services(service("a")), Changed: changed("a")})

	snaps := f.Lead([]*config.Service{service("a")}, nil)
	first := receive(t, snaps)
	if first.Revision != 7 || !first.Changed.All || first.Pools[0] != pool || names(first) != "[a[]]" {
		t.Errorf("first: revision %d, %s, changed %+v", first.Revision, names(first), first.Changed)
	}
	quiet(t, snaps) // the watch and the read agree, nothing more is to be said

	f.see(&config.Snapshot{Revision: 8, Services: services(service("a"), service("b")), Changed: changed("b")})
	second := receive(t, snaps)
	if second.Revision != 8 || second.Changed.All || len(second.Changed.Services) != 1 {
		t.Errorf("second: revision %d, changed %+v", second.Revision, second.Changed)
	}
}

func TestATermWaitsForTheFirstSnapshot(t *testing.T) {
	f := follow(t)
	snaps := f.Lead([]*config.Service{service("a", "192.0.2.1")}, nil)
	quiet(t, snaps)
	f.see(&config.Snapshot{Revision: 1, Services: services(service("a", "192.0.2.1")), Changed: config.Changes{All: true}})
	if first := receive(t, snaps); !first.Changed.All || names(first) != "[a[192.0.2.1]]" {
		t.Errorf("first: %s, changed %+v", names(first), first.Changed)
	}
}

// A watch that lags behind what the leader before wrote must not make its
// addresses look free: the leader sees what was read before anything else.
func TestWhatWasReadIsNotLostToASlowLeader(t *testing.T) {
	f := follow(t)
	f.see(&config.Snapshot{Revision: 1, Services: services(service("a")), Changed: config.Changes{All: true}})
	snaps := f.Lead([]*config.Service{service("a", "192.0.2.1"), service("new", "192.0.2.2")}, nil)
	for rev := uint64(2); rev < 5; rev++ { // all of it before the leader looks once
		f.see(&config.Snapshot{Revision: rev, Services: services(service("a")), Changed: config.Changes{Nodes: []string{fmt.Sprint("n", rev)}}})
	}
	if first := receive(t, snaps); !first.Changed.All || names(first) != "[a[192.0.2.1] new[192.0.2.2]]" {
		t.Errorf("first: %s, changed %+v", names(first), first.Changed)
	}
	second := receive(t, snaps)
	if second.Revision != 4 || second.Changed.All || fmt.Sprint(second.Changed.Services) != "[default/a]" || fmt.Sprint(second.Changed.Nodes) != "[n2 n3 n4]" {
		t.Errorf("second: revision %d, changed %+v; want what three snapshots said, and not that \"new\" is gone", second.Revision, second.Changed)
	}
	quiet(t, snaps)
}

// A Service that was made after the read and seen by the watch before the term
// is told of, although no later snapshot lists it.
func TestWhatTheWatchKnowsMoreIsTold(t *testing.T) {
	f := follow(t)
	f.see(&config.Snapshot{Revision: 1, Services: services(service("a"), service("late")), Changed: config.Changes{All: true}})
	snaps := f.Lead([]*config.Service{service("a")}, nil)
	if first := receive(t, snaps); names(first) != "[a[]]" || !first.Changed.All {
		t.Errorf("first: %s, changed %+v", names(first), first.Changed)
	}
	second := receive(t, snaps)
	if names(second) != "[a[] late[]]" || fmt.Sprint(second.Changed.Services) != "[default/late]" || second.Changed.All {
		t.Errorf("second: %s, changed %+v", names(second), second.Changed)
	}
}

func TestAResignedTermHearsNoMore(t *testing.T) {
	f := follow(t)
	f.see(&config.Snapshot{Revision: 1, Changed: config.Changes{All: true}})
	old := f.Lead(nil, nil)
	receive(t, old)
	f.Resign()
	f.see(&config.Snapshot{Revision: 2, Services: services(service("a")), Changed: changed("a")})
	quiet(t, old)

	again := f.Lead([]*config.Service{service("a", "192.0.2.9")}, nil)
	if first := receive(t, again); first.Revision != 2 || !first.Changed.All || names(first) != "[a[192.0.2.9]]" {
		t.Errorf("first of the second term: revision %d, %s, changed %+v", first.Revision, names(first), first.Changed)
	}
	quiet(t, old)
	if got := f.heard.said(); len(got) != 2 || got[0] != "snapshot" {
		t.Errorf("health heard %v", got)
	}
}

// Terms come and go while the watch speaks and leaders are slow: every term
// begins with one snapshot of all, and no change after it is lost.
func TestTermsUnderLoad(t *testing.T) {
	f := follow(t)
	stop := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for rev := uint64(1); ; rev++ {
			snap := &config.Snapshot{Revision: rev, Changed: config.Changes{Nodes: []string{fmt.Sprint(rev)}, All: rev == 1}}
			select {
			case f.watch <- snap:
			case <-stop:
				return
			}
		}
	})
	for range 50 {
		snaps := f.Lead([]*config.Service{service("read")}, nil)
		first := receive(t, snaps)
		if !first.Changed.All || names(first) != "[read[]]" {
			t.Fatalf("first: %s, changed %+v", names(first), first.Changed)
		}
		for last := first.Revision; last < first.Revision+20; {
			next := receive(t, snaps)
			if next.Changed.All || uint64(len(next.Changed.Nodes)) != next.Revision-last {
				t.Fatalf("revision %d after %d, changed %+v", next.Revision, last, next.Changed)
			}
			last = next.Revision
		}
		f.Resign()
	}
	close(stop)
	watch.Wait()
}
