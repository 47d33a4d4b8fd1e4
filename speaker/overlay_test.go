package speaker

import (
	"net/netip"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

func TestOverlaySettles(t *testing.T) {
	rec := func(owner string, epoch int64, version string) *config.L2Claim {
		return &config.L2Claim{Addr: addr4, Owner: owner, Epoch: epoch, Version: version}
	}
	before, mine, seized := rec("n2", 4, "10"), rec("n1", 5, "11"), rec("n1", 5, "")
	for _, tt := range []struct {
		name    string
		mine    local
		seen    *config.L2Claim
		n2Alive bool
		stays   bool
	}{
		{"written, not seen yet", local{mine, before}, before, true, true},
		{"written, nothing seen yet", local{mine, nil}, nil, true, true},
		{"written and seen", local{mine, before}, mine, true, false},
		{"written and lost since", local{mine, before}, rec("n3", 6, "12"), true, false},
		{"written and deleted since", local{mine, before}, nil, true, false},
		{"made anew by another with a lower epoch", local{mine, nil}, rec("n3", 1, "12"), true, false},
		{"seized, API away", local{seized, before}, before, false, true},
		{"seized, owner is back", local{seized, before}, before, true, false},
		{"seized, a higher epoch", local{seized, before}, rec("n3", 6, "12"), false, false},
		{"seized, the same epoch", local{seized, before}, rec("n3", 5, "12"), false, false},
		{"seized from nobody", local{seized, nil}, nil, false, true},
	} {
		claims := map[netip.Addr]*config.L2Claim{}
		if tt.seen != nil {
			claims[addr4] = tt.seen
		}
		snap := &config.Snapshot{Claims: config.TableOf(claims)}
		o := overlay{addr4: tt.mine}
		o.settle(snap, map[string]bool{"n1": true, "n2": tt.n2Alive})
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
