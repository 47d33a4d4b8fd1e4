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

func namesOf(snap *config.Snapshot) string {
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
	f.see(&config.Snapshot{Revision: 7, Fresh: 1, Pools: []*config.Pool{pool}, Services: services(service("a")), Changed: changed("a")})

	snaps := f.Lead(1)
	first := receive(t, snaps)
	if first.Revision != 7 || !first.Changed.All || first.Pools[0] != pool || namesOf(first) != "[a[]]" {
		t.Errorf("first: revision %d, %s, changed %+v", first.Revision, namesOf(first), first.Changed)
	}
	quiet(t, snaps)

	f.see(&config.Snapshot{Revision: 8, Fresh: 1, Services: services(service("a"), service("b")), Changed: changed("b")})
	second := receive(t, snaps)
	if second.Revision != 8 || second.Changed.All || len(second.Changed.Services) != 1 {
		t.Errorf("second: revision %d, changed %+v", second.Revision, second.Changed)
	}
}

// What is older than the leader's own read may show addresses as free that the
// leader before has given.
func TestATermWaitsForWhatWasRead(t *testing.T) {
	f := follow(t)
	f.see(&config.Snapshot{Revision: 1, Fresh: 2, Services: services(service("a")), Changed: config.Changes{All: true}})
	snaps := f.Lead(3)
	quiet(t, snaps)
	f.see(&config.Snapshot{Revision: 2, Fresh: 2, Services: services(service("a")), Changed: changed("a")})
	quiet(t, snaps)
	f.see(&config.Snapshot{Revision: 3, Fresh: 3, Services: services(service("a", "192.0.2.1")), Changed: changed("a")})
	if first := receive(t, snaps); !first.Changed.All || namesOf(first) != "[a[192.0.2.1]]" {
		t.Errorf("first: %s, changed %+v", namesOf(first), first.Changed)
	}
}

// A leader that is slow finds all changes in one snapshot, and everything as
// long as it has not taken the first.
func TestASlowLeaderMissesNothing(t *testing.T) {
	f := follow(t)
	f.see(&config.Snapshot{Revision: 1, Fresh: 1, Changed: config.Changes{All: true}})
	snaps := f.Lead(1)
	f.see(&config.Snapshot{Revision: 2, Fresh: 1, Services: services(service("a")), Changed: changed("a")})
	if first := receive(t, snaps); !first.Changed.All || namesOf(first) != "[a[]]" {
		t.Errorf("first: %s, changed %+v", namesOf(first), first.Changed)
	}
	for rev := uint64(3); rev < 6; rev++ {
		f.see(&config.Snapshot{Revision: rev, Fresh: 1, Changed: config.Changes{Nodes: []string{fmt.Sprint("n", rev)}}})
	}
	if second := receive(t, snaps); second.Revision != 5 || second.Changed.All || fmt.Sprint(second.Changed.Nodes) != "[n3 n4 n5]" {
		t.Errorf("second: revision %d, changed %+v", second.Revision, second.Changed)
	}
	quiet(t, snaps)
}

func TestAResignedTermHearsNoMore(t *testing.T) {
	f := follow(t)
	f.see(&config.Snapshot{Revision: 1, Changed: config.Changes{All: true}})
	old := f.Lead(0)
	receive(t, old)
	f.Resign()
	f.see(&config.Snapshot{Revision: 2, Services: services(service("a")), Changed: changed("a")})
	quiet(t, old)

	again := f.Lead(0)
	if first := receive(t, again); first.Revision != 2 || !first.Changed.All || namesOf(first) != "[a[]]" {
		t.Errorf("first of the second term: revision %d, %s, changed %+v", first.Revision, namesOf(first), first.Changed)
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
		snaps := f.Lead(0)
		first := receive(t, snaps)
		if !first.Changed.All {
			t.Fatalf("first: changed %+v", first.Changed)
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
