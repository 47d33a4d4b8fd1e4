package speaker

import (
	"net/netip"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

func TestOverlaySettles(t *testing.T) {
	rec := func(owner string, epoch int64, version string) *config.L2Claim {
		return &config.L2Claim{Addr: addr4, Owner: owner, Epoch: epoch, Version: version}
	}
	now := time.Unix(1000, 0)
	before, mine, seized := rec("n2", 4, "10"), rec("n1", 5, "11"), rec("n1", 5, "")
	for _, tt := range []struct {
		name    string
		mine    local
		seen    *config.L2Claim
		n2Alive bool
		stays   bool
	}{
		{"written, not seen yet", local{claim: mine, base: before}, before, true, true},
		{"written, nothing seen yet", local{claim: mine}, nil, true, true},
		{"written and seen", local{claim: mine, base: before}, mine, true, false},
		{"written and lost since", local{claim: mine, base: before}, rec("n3", 6, "12"), true, false},
		{"written and deleted since", local{claim: mine, base: before}, nil, true, false},
		{"made anew by another with a lower epoch", local{claim: mine}, rec("n3", 1, "12"), true, false},
		{"seized, API away", local{claim: seized, base: before}, before, false, true},
		{"seized, owner is back", local{claim: seized, base: before}, before, true, false},
		{"seized, a higher epoch", local{claim: seized, base: before}, rec("n3", 6, "12"), false, false},
		{"seized, the same epoch", local{claim: seized, base: before}, rec("n3", 5, "12"), false, false},
		{"seized from nobody", local{claim: seized}, nil, false, true},
		{"told by another", local{rec("n3", 5, ""), before, now}, before, false, true},
		{"told by another, not for long", local{rec("n3", 5, ""), before, now.Add(time.Millisecond - tellLasts)}, before, false, true},
		{"told by another, long ago", local{rec("n3", 5, ""), before, now.Add(-tellLasts)}, before, false, false},
		{"told by another, owner is back", local{rec("n3", 5, ""), before, now}, before, true, false},
		{"told by another that is dead", local{rec("n4", 5, ""), before, now}, before, false, false},
	} {
		claims := map[netip.Addr]*config.L2Claim{}
		if tt.seen != nil {
			claims[addr4] = tt.seen
		}
		snap := &config.Snapshot{Claims: config.TableOf(claims)}
		o := overlay{addr4: tt.mine}
		o.settle(snap, map[string]bool{"n1": true, "n2": tt.n2Alive, "n3": true}, now)
		want := tt.seen
		if tt.stays {
			want = tt.mine.claim
		}
		if got, _ := o.Over(snap).Claims.Get(addr4); got != want {
			t.Errorf("%s: claim %+v, want %+v", tt.name, got, want)
		}
		if got, _ := snap.Claims.Get(addr4); got != tt.seen {
			t.Errorf("%s: the snapshot was changed", tt.name)
		}
	}
}
