package speaker

import (
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// A node is fresh for a while each time it comes, and the agent looks again
// until that is over, if it matters to any advertisement.
func TestFreshNodes(t *testing.T) {
	since, now := aliveSince{}, time.Unix(1000, 0)
	members := []announce.Member{{Node: "n1", Alive: true}, {Node: "n2"}, {Node: "n3", Alive: true, Joining: true}}
	fresh := func() (names string) {
		for _, m := range since.mark(members, now) {
			if m.Fresh {
				names += m.Node
			}
		}
		return names
	}
	since.note(members, now)
	if got := fresh(); got != "n1" {
		t.Errorf("at first %q", got)
	}
	now = now.Add(homeAfter)
	members[1].Alive = true
	since.note(members, now)
	if got := fresh(); got != "n2" || members[1].Fresh {
		t.Errorf("when n2 comes %q", got)
	}
	never, onReturn := &config.Snapshot{L2: []*config.L2Advertisement{{}}}, &config.Snapshot{L2: []*config.L2Advertisement{{OnReturn: true}}}
	if since.matters(nil, now) || since.matters(never, now) || !since.matters(onReturn, now) {
		t.Error("it matters to the wrong ones")
	}
	now = now.Add(homeAfter)
	if got := fresh(); got != "" || !since.matters(onReturn, now) {
		t.Errorf("when n2 has settled %q; it must be decided once more", got)
	}
	if now = now.Add(time.Minute); since.matters(onReturn, now) {
		t.Error("looks for ever")
	}
	members[1].Alive = false
	since.note(members, now)
	members[1].Alive = true
	since.note(members, now)
	if got := fresh(); got != "n2" {
		t.Errorf("when n2 comes back %q", got)
	}
}
