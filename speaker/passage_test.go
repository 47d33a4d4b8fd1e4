package speaker

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/host"
)

// A node whose VRF leads nowhere near its pods says so in its report, as long as it
// is so; one that has no endpoint cannot tell, nor one that does not reach them itself.
func TestBlockedVRF(t *testing.T) {
	pod := netip.MustParseAddr("10.0.0.1")
	none := errors.New("network is unreachable")
	for name, c := range map[string]struct {
		vrf, on  string
		own      string // link of the node's own packets; "": no way
		fromRed  string
		problems string // parts of it
	}{
		"as the node's own":         {"red", "n1", "cni0", "cni0", ""},
		"no way":                    {"red", "n1", "cni0", "", "BGPPeer tor: spec.vrf: packets that arrive in VRF red do not reach pods of this node, such as 10.0.0.1: network is unreachable; add routes"},
		"back to the router":        {"red", "n1", "cni0", "eth1", "they leave by eth1, and the node's own by cni0"},
		"not even the node's own":   {"red", "n1", "", "", ""},
		"endpoints elsewhere alone": {"red", "n2", "cni0", "", ""},
		"no VRF":                    {"", "n1", "cni0", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, 2, func(r *rig) {
				r.Way = func(to netip.Addr, in string, from netip.Addr) (string, error) {
					link := c.own
					if in != "" {
						link = c.fromRed
					}
					if link == "" {
						return "", none
					}
					if to != pod || in != "" && (in != "red" || from != torAddr) {
						t.Errorf("asked for the way from %v in %q to %v", from, in, to)
					}
					return link, nil
				}
				r.next.Peers = []*config.Peer{{Name: "tor", Addr: torAddr, VRF: c.vrf}}
				r.next.BGP = []*config.BGPAdvertisement{{Name: "all", Length4: 32}}
				r.serve(web, addr4, c.on)
				r.run()
				r.hosts.Put(host.State{Links: []host.Link{home, red}})
				r.pass(3 * retryAfter)
				got := strings.Join(r.reports[len(r.reports)-1].Problems, "\n")
				if (got == "") != (c.problems == "") || !strings.Contains(got, c.problems) {
					t.Errorf("problems %q, want %q", got, c.problems)
				}
				r.stop()
			})
		})
	}
}
