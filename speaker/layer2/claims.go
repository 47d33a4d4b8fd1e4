package layer2

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/config/host"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// linkKey is one incarnation of an interface: made anew, with another hardware
// address, or when a bond below it uses another port, it is another one. After
// each of these the switches must hear of its addresses again.
type linkKey struct {
	name  string
	index int
	mac   hardware
	via   string // ports in use of the bonds below it
}

// claimSet holds the addresses to answer for, by link. It is read-only once
// it was published.
type claimSet map[linkKey]refreshes

// refreshes are addresses with the time between two announcements that nobody
// asked for; 0: none after the first seconds.
type refreshes map[netip.Addr]time.Duration

func (c claimSet) owns(link linkKey, addr netip.Addr) bool {
	_, ok := c[link][addr]
	return ok
}

// claimsOn places claims on the links that are there and up.
func claimsOn(claims []announce.Claim, state host.State) claimSet {
	keys := make(map[string]linkKey, len(state.Links))
	bonds := 0
	if slices.ContainsFunc(state.Links, func(l host.Link) bool { return l.Active != "" }) {
		bonds = maxBelow
	}
	for _, l := range state.Links {
		if l.Up && len(l.MAC) == 6 {
			keys[l.Name] = linkKey{l.Name, l.Index, hardware(l.MAC), strings.Join(portsBelow(l, state, bonds), " ")}
		}
	}
	set := claimSet{}
	for _, c := range claims {
		for _, name := range c.Links {
			key, ok := keys[name]
			if !ok {
				continue
			}
			if set[key] == nil {
				set[key] = refreshes{}
			}
			set[key][c.Addr] = c.Refresh
		}
	}
	return set
}

// maxBelow is how many interfaces may lie on each other: a VLAN on a bridge on
// a bond are three.
const maxBelow = 4

// portsBelow are the ports in use of the bonds that l sends by: of itself, of
// what it lies on, of a bridge's own ports.
func portsBelow(l host.Link, state host.State, depth int) (out []string) {
	switch {
	case depth == 0:
		return nil
	case l.Active != "":
		return []string{l.Active}
	case l.Lower == "" && l.Kind != "bridge":
		return nil
	}
	for _, o := range state.Links {
		if o.Name == l.Lower || l.Kind == "bridge" && o.Master == l.Name {
			out = append(out, portsBelow(o, state, depth-1)...)
		}
	}
	return out
}

// union is the addresses of both, by link.
func union(a, b claimSet) claimSet {
	if len(b) == 0 {
		return a
	}
	out := make(claimSet, len(a)+len(b))
	for _, set := range []claimSet{a, b} {
		for link, addrs := range set {
			if out[link] == nil {
				out[link] = make(refreshes, len(addrs))
			}
			maps.Copy(out[link], addrs)
		}
	}
	return out
}

// byFamily lists the addresses of one link, sorted.
func byFamily(addrs refreshes) (v4, v6 []netip.Addr) {
	for a := range addrs {
		if a.Is4() {
			v4 = append(v4, a)
		} else {
			v6 = append(v6, a)
		}
	}
	slices.SortFunc(v4, netip.Addr.Compare)
	slices.SortFunc(v6, netip.Addr.Compare)
	return v4, v6
}
