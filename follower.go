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
	terms []*term // under way, none while others lead
}

// term is what one task of a leadership receives: what it begins with must be
// fresh enough.
type term struct {
	out   *feed.Latest[*config.Snapshot]
	fresh uint64 // as the first snapshot must be
	begun bool   // it was passed
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
			for _, t := range f.terms {
				t.pass(snap)
			}
			f.mu.Unlock()
			f.health.Ready("snapshot")
		}
	}
}

// Lead starts a term; one leadership may have several. Its first snapshot is all that is known, and no older
// than the read of that number; a watch that lags behind might let addresses
// look free that the leader before has given.
func (f *follower) Lead(fresh uint64) <-chan *config.Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := &term{out: feed.NewLatest(config.MergeSnapshots), fresh: fresh}
	f.terms = append(f.terms, t)
	if f.last != nil {
		t.pass(f.last)
	}
	return t.out.C()
}

// pass hands a snapshot to the task, the first one as Lead says.
func (t *term) pass(snap *config.Snapshot) {
	if !t.begun && snap.Fresh < t.fresh {
		return
	}
	if !t.begun {
		first := *snap
		first.Changed = config.Changes{All: true}
		snap, t.begun = &first, true
	}
	t.out.Put(snap)
}

// Resign ends all terms.
func (f *follower) Resign() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.terms = nil
}
