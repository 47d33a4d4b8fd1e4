package main

import (
	"context"
	"sync"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/feed"
)

// follower keeps the newest snapshot, so that a process which begins to lead
// has one at once, even if nothing changes in the cluster any more.
type follower struct {
	in     <-chan *config.Snapshot
	health interface{ Ready(part string) }

	mu    sync.Mutex
	last  *config.Snapshot
	term  *feed.Latest[*config.Snapshot] // of the term under way, nil while others lead
	fresh map[config.Key]*config.Service // what that term read itself
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

// Lead starts a term: services are what a quorum read just gave. Snapshots of
// the term begin with all that is known, those services in place of older ones.
func (f *follower) Lead(services []*config.Service) <-chan *config.Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fresh = make(map[config.Key]*config.Service, len(services))
	for _, svc := range services {
		f.fresh[svc.Key] = svc
	}
	f.term = feed.NewLatest(config.MergeSnapshots)
	if f.last != nil {
		f.pass(f.last)
	}
	return f.term.C()
}

// pass hands a snapshot to the term. The first one says that all has changed.
func (f *follower) pass(snap *config.Snapshot) {
	if f.term == nil {
		return
	}
	if f.fresh != nil {
		first := *snap
		first.Services = config.TableOf(f.fresh)
		first.Changed = config.Changes{All: true}
		snap, f.fresh = &first, nil
	}
	f.term.Put(snap)
}

// Resign ends the term.
func (f *follower) Resign() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.term, f.fresh = nil, nil
}
