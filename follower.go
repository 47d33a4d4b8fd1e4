package main

import (
	"context"
	"reflect"
	"slices"
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
	fresh *truth // what the term read itself, until its first snapshot
	term  *term  // under way, nil while others lead
}

// truth is what is surely in the API, however much the watch lags behind.
type truth struct {
	services     map[config.Key]*config.Service
	reservations map[config.Key]*config.Reservation
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

// Lead starts a term: services and reservations are what a quorum read just
// gave. The first snapshot of the term is all that is known, with those in
// place of the watch's. Where the watch says otherwise it lags behind or is
// ahead; so what it says of them follows as a change.
func (f *follower) Lead(services []*config.Service, reservations []*config.Reservation) <-chan *config.Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fresh = &truth{
		services:     byKey(services, func(s *config.Service) config.Key { return s.Key }),
		reservations: byKey(reservations, func(r *config.Reservation) config.Key { return r.Key }),
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
	first.Services, first.Reservations = config.TableOf(f.fresh.services), config.TableOf(f.fresh.reservations)
	first.Changed = config.Changes{All: true}
	second.Changed = config.Changes{
		Services:     differing(snap.Services, f.fresh.services),
		Reservations: differing(snap.Reservations, f.fresh.reservations),
	}
	second.Changed.Config = manual(snap.Reservations, f.fresh.reservations, second.Changed.Reservations)
	f.fresh = nil
	f.term.first = &first
	f.term.put(&first)
	if len(second.Changed.Services)+len(second.Changed.Reservations) > 0 {
		config.Tidy(&second.Changed)
		f.term.put(&second)
	}
}

func byKey[T any](list []T, key func(T) config.Key) map[config.Key]T {
	out := make(map[config.Key]T, len(list))
	for _, o := range list {
		out[key(o)] = o
	}
	return out
}

// manual tells whether a person made one of the reservations: then the
// allocator has to plan anew.
func manual(watched config.Table[config.Key, *config.Reservation], read map[config.Key]*config.Reservation, keys []config.Key) bool {
	return slices.ContainsFunc(keys, func(key config.Key) bool {
		o, ok := watched.Get(key)
		was, had := read[key]
		return ok && !o.Managed || had && !was.Managed
	})
}

// differing are the objects of the watch that were read otherwise, or not at
// all. One that only the read has is not among them: the watch has yet to hear
// of it, and taking it for gone would free its addresses.
func differing[T any](watched config.Table[config.Key, T], read map[config.Key]T) []config.Key {
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
