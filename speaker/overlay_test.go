package speaker

import (
	"net/netip"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

func record(owner string, epoch int64, version string) *config.L2Claim {
	return &config.L2Claim{Addr: addr4, Owner: owner, Epoch: epoch, Version: version}
}

// showing is a snapshot with that record, which may be nil.
func showing(rec *config.L2Claim) *config.Snapshot {
	claims := map[netip.Addr]*config.L2Claim{}
	if rec != nil {
		claims[addr4] = rec
	}
	return &config.Snapshot{Claims: config.TableOf(claims)}
}

func TestTakeoversSettle(t *testing.T) {
	now := time.Unix(1000, 0)
	before, seized := record("n2", 4, "10"), record("n1", 5, "")
	third := record("n3", 5, "")
	for _, tt := range []struct {
		name    string
		mine    local
		seen    *config.L2Claim
		n2Alive bool
		told    *config.L2Claim // by others, to be verified
		stays   bool
	}{
		{"seized, API away", local{claim: seized, base: before}, before, false, nil, true},
		{"seized, owner is back", local{claim: seized, base: before}, before, true, nil, false},
		{"seized, a higher epoch", local{claim: seized, base: before}, record("n3", 6, "12"), false, nil, false},
		{"seized, the same epoch", local{claim: seized, base: before}, record("n3", 5, "12"), false, nil, false},
		{"seized from nobody", local{claim: seized}, nil, false, nil, true},
		{"told by another", local{third, before, now}, before, false, nil, true},
		{"told by another, not for long", local{third, before, now.Add(time.Millisecond - tellLasts)}, before, false, nil, true},
		{"told by another, long ago", local{third, before, now.Add(-tellLasts)}, before, false, nil, false},
		{"told by another, long ago, and that it is written", local{third, before, now.Add(-tellLasts)}, before, false, third, true},
		{"told by another, long ago, and that a fourth wrote", local{third, before, now.Add(-tellLasts)}, before, false, record("n1", 5, ""), false},
		{"told by another, owner is back", local{third, before, now}, before, true, nil, false},
		{"told by another that is dead", local{record("n4", 5, ""), before, now}, before, false, nil, false},
	} {
		late, snap := newAhead(), showing(tt.seen)
		if tt.told != nil {
			late.hear(snap, recorded(tt.told), false, now)
		}
		o := overlay{addr4: tt.mine}
		o.settle(late, snap, map[string]bool{"n1": true, "n2": tt.n2Alive, "n3": true}, now)
		if _, stays := o[addr4]; stays != tt.stays {
			t.Errorf("%s: stays %v", tt.name, stays)
		}
	}
}
