package speaker

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

func TestWhoDeletesOrphans(t *testing.T) {
	at := func(i byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, i}) }
	snap := &config.Snapshot{
		Services: config.TableOf(map[config.Key]*config.Service{web: {Key: web, Addrs: []netip.Addr{at(9)}}}),
		Claims: config.TableOf(map[netip.Addr]*config.L2Claim{
			at(9): {Addr: at(9), Owner: "n1"}, // served
			at(1): {Addr: at(1), Owner: "n1"}, at(2): {Addr: at(2), Owner: "n2"},
			at(3): {Addr: at(3), Owner: "n3"}, // dead
			at(4): {Addr: at(4), Owner: "n4"}, // unknown
		}),
	}
	for _, tt := range []struct {
		self    string
		joining bool
		want    string
	}{
		{"n1", false, "192.0.2.1 192.0.2.3 192.0.2.4"},
		{"n2", false, "192.0.2.2"},
		{"n1", true, ""},
	} {
		members := []announce.Member{{Node: "n1", Alive: true}, {Node: "n2", Alive: true}, {Node: "n3"}}
		i := slices.IndexFunc(members, func(m announce.Member) bool { return m.Node == tt.self })
		members[i].Joining = tt.joining
		var got []netip.Addr
		for addr := range orphans(snap, tt.self, members) {
			got = append(got, addr)
		}
		if joined(got) != tt.want {
			t.Errorf("%s, joining %v, deletes %q, want %q", tt.self, tt.joining, joined(got), tt.want)
		}
	}
}

func TestOrphanIsDeletedOnce(t *testing.T) {
	story(t, 2, func(r *rig) {
		r.serve(web, addr4, "n1")
		r.record(addr4, "n1", 1)
		r.run()
		r.set(func() { r.journal = nil })
		r.set(func() { r.blind = true }) // the watch lags
		delete(r.services, web)
		delete(r.endpoints, web)
		r.publish(config.Changes{Services: []config.Key{web}})
		r.pass(5 * time.Second)
		r.did("table", "answer", "delete 192.0.2.10")
		if len(r.Agent.orphans) != 0 {
			t.Errorf("left: %v", r.Agent.orphans)
		}
		r.stop()
	})
}

func TestOrphanIsTriedAgain(t *testing.T) {
	story(t, 1, func(r *rig) {
		r.record(addr4, "n1", 1)
		r.set(func() { r.api = "deny" })
		r.run()
		r.pass(5 * time.Second)
		r.set(func() { r.api = "" })
		r.set(func() { r.journal = nil })
		r.pass(3 * time.Second)
		r.did("delete 192.0.2.10")
		r.stop()
	})
}
