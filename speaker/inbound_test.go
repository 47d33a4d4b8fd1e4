package speaker

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/bgp"
)

// What routers send is in the kernel as far as it is asked for; what an earlier
// process left stays until the routers have been heard out; a node that leaves takes
// all of it out.
func TestLearntRoutesGoIntoTheKernel(t *testing.T) {
	story(t, 1, func(r *rig) {
		r.next.Peers = []*config.Peer{{Name: "tor", Addr: torAddr, ToReceive: []config.Received{{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Shortest: 8, Longest: 24}}}}
		r.run()
		shows := func(what, want string, settled bool) {
			t.Helper()
			r.pass(0)
			isSettled := false
			r.set(func() { isSettled = r.settled })
			if got := r.shows("inbound"); got != want || isSettled != settled {
				t.Errorf("%s: %q, settled %t, want %q", what, got, isSettled, want)
			}
		}
		says := func(s bgp.SessionState) {
			s.Peer, s.State, s.Complete = "tor", "Established", true
			r.set(func() { r.states = []bgp.SessionState{s} })
			r.changed <- struct{}{}
		}
		shows("before it is heard", "", false)
		learnt := []announce.Learnt{{Prefix: netip.MustParsePrefix("10.1.0.0/16"), NextHop: torAddr}, {Prefix: netip.MustParsePrefix("198.18.0.0/16"), NextHop: torAddr}}
		says(bgp.SessionState{Learnt: learnt})
		shows("while it is heard", "10.1.0.0/16 via ["+torAddr.String()+"]", false)
		says(bgp.SessionState{Learnt: learnt, Heard: true})
		shows("when it was heard out", "10.1.0.0/16 via ["+torAddr.String()+"]", true)
		says(bgp.SessionState{})
		shows("when it has taken all back", "", true)
		says(bgp.SessionState{Learnt: learnt, Heard: true})
		r.peers(&config.Peer{Name: "tor", Addr: torAddr})
		shows("when nothing is asked for", "", true)
		r.peers(&config.Peer{Name: "tor", Addr: torAddr, ToReceive: []config.Received{{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Longest: 32}}})
		shows("when all is asked for", "10.1.0.0/16 via ["+torAddr.String()+"] 198.18.0.0/16 via ["+torAddr.String()+"]", true)
		says(bgp.SessionState{Learnt: []announce.Learnt{{Prefix: netip.MustParsePrefix("10.1.0.0/16")}}, Heard: true})
		shows("when it leads nowhere", "", true)
		r.pass(2 * reportEvery)
		if !strings.Contains(r.problems(), "BGPPeer tor: spec.toReceive: 1 of the routes") {
			t.Errorf("problems %s", r.problems())
		}
		says(bgp.SessionState{Learnt: learnt, Heard: true})
		r.leaves = true
		r.stop()
		if got := r.shows("inbound"); got != "removed" {
			t.Errorf("after the leave: %q", got)
		}
	})
}
