package main

import (
	"context"
	"reflect"
	"sync"

	"github.com/steelyard-lb/steelyard/config"
)

// follower keeps the newest snapshot, so that a process which begins to lead
// has one at once, even if nothing changes in the cluster any more.
type follower struct {
	in     <-chan *config.Snapshot
	health interface{ Ready(part string) }

	mu    sync.Mutex
	last  *config.Snapshot
	fresh map[config.Key]*config.Service // what the term read itself, until its first snapshot
	term  *term                          // under way, nil while others lead
}

// Run takes snapshots in until ctx ends.
func (f *follower) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case snap := <-f.in:
			f.mu.Lock()
			f.last = snap
			f.pass(snap)
			f.mu.Unlock()
			f.health.Ready("snapshot")
		}
	}
}

// Lead starts a term: services are what a quorum read just gave. The first
// snapshot of the term is all that is known, with those services in place of
// the watch's. Where the watch says otherwise it lags behind or is ahead; so
// what it says of them follows as a change.
func (f *follower) Lead(services []*config.Service) <-chan *config.Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fresh = make(map[config.Key]*config.Service, len(services))
	for _, svc := range services {
		f.fresh[svc.Key] = svc
	}
	f.term = &term{out: make(chan *config.Snapshot, 2)}
	if f.last != nil {
		f.pass(f.last)
	}
	return f.term.out
}

// pass hands a snapshot to the term, the first one as Lead says.
func (f *follower) pass(snap *config.Snapshot) {
	if f.term == nil {
		return
	}
	if f.fresh == nil {
		f.term.put(snap)
		return
	}
	first, second := *snap, *snap
	first.Services, first.Changed = config.TableOf(f.fresh), config.Changes{All: true}
	second.Changed = config.Changes{Services: differing(snap.Services, f.fresh)}
	f.fresh = nil
	f.term.first = &first
	f.term.put(&first)
	if len(second.Changed.Services) > 0 {
		config.Tidy(&second.Changed)
		f.term.put(&second)
	}
}

// differing are the Services of the watch that were read otherwise, or not at
// all. One that only the read has is not among them: the watch has yet to hear
// of it, and taking it for gone would free its addresses.
func differing(watched config.Table[config.Key, *config.Service], read map[config.Key]*config.Service) []config.Key {
	var out []config.Key
	for key, svc := range watched.All() {
		if other, ok := read[key]; !ok || !reflect.DeepEqual(svc, other) {
			out = append(out, key)
		}
	}
	return out
}

// Resign ends the term.
func (f *follower) Resign() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.term, f.fresh = nil, nil
}

// term is the mailbox of one leadership: the first snapshot waits by itself,
// since later ones may know less of the Services; those are merged behind it.
type term struct {
	out   chan *config.Snapshot // room for two
	first *config.Snapshot
}

// put leaves a snapshot for the leader. It never blocks; one goroutine at a
// time may call it.
func (t *term) put(snap *config.Snapshot) {
	var waiting []*config.Snapshot
	for len(t.out) > 0 {
		select {
		case old := <-t.out:
			waiting = append(waiting, old)
		default: // taken meanwhile
		}
	}
	if n := len(waiting); n > 0 && waiting[n-1] != t.first {
		waiting[n-1] = config.MergeSnapshots(waiting[n-1], snap)
	} else {
		waiting = append(waiting, snap)
	}
	for _, s := range waiting {
		t.out <- s
	}
}
