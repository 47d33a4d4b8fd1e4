package translate

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
)

func (b *assembly) bgp() {
	aliases := b.aliases()
	for _, o := range ours(b, config.KindBGPAdvertisement, b.in.BGP) {
		a, problems := BGPAdvertisement(o, aliases)
		b.note(problems)
		if a == nil {
			continue
		}
		f := faultsOf(config.KindBGPAdvertisement, o)
		b.checkLengths(f, a)
		b.checkRivals(f, a)
		if used := !f.any(); used {
			b.checkPools(f, a.Pools)
			b.checkPeers(f, a)
			b.out.BGP = append(b.out.BGP, a)
		}
		b.note(f.problems)
	}
}

func checkName(f *faults, field string, i int, kind, name string, used, exists bool) {
	at := fmt.Sprintf("%s[%d]", field, i)
	switch {
	case used:
	case exists:
		f.add(at, ReasonNotUsed, "mend it; its own status says what is wrong", "%s %s has a problem and is not used", kind, name)
	default:
		f.add(at, ReasonNotFound, "create it or correct the name", "there is no %s %q", kind, name)
	}
}

// checkLengths refuses an aggregate that would draw in addresses beyond what a
// pool was given: announcing 192.0.2.0/23 for a pool that is a /24 takes away
// traffic of somebody else.
func (b *assembly) checkLengths(f *faults, a *config.BGPAdvertisement) {
	for _, p := range b.out.Pools {
		if !a.PicksPool(p) {
			continue
		}
		for _, r := range p.Ranges {
			field, length := "spec.aggregationLength", int(a.Length4)
			if r.From.Is6() {
				field, length = "spec.aggregationLengthV6", int(a.Length6)
			}
			if widest := widestIn(r); length < widest {
				f.add(field, ReasonInvalid, fmt.Sprintf("use %d or more", widest),
					"/%d is wider than %v of IPAddressPool %s, which is at most a /%d", length, r, p.Name, widest)
				return
			}
		}
	}
}

// widestIn is the length of the widest prefix inside r.
func widestIn(r config.Range) int {
	widest := r.From.BitLen()
	for _, p := range prefixesOf(r) {
		widest = min(widest, p.Bits())
	}
	return widest
}

// checkRivals refuses an advertisement that is equal to an older one, or that
// gives another LOCAL_PREF, MED, AS path or weight to the same routes.
func (b *assembly) checkRivals(f *faults, a *config.BGPAdvertisement) {
	for _, o := range b.out.BGP {
		twin := *o
		twin.Name = a.Name
		if reflect.DeepEqual(&twin, a) {
			f.add("spec", ReasonDuplicate, "remove one of them", "BGPAdvertisement %s, which is older, says the same", o.Name)
			return
		}
		field, theirs, ours := discord(o, a)
		if field != "" && o.Length4 == a.Length4 && o.Length6 == a.Length6 && b.meet(o, a) {
			f.add("spec."+field, ReasonConflict, "use one "+field+" or choose different pools, peers or nodes",
				"BGPAdvertisement %s, which is older, sends the same routes with %s %v, not %v", o.Name, field, theirs, ours)
			return
		}
	}
}

// discord is the first attribute of a route that two advertisements give
// different values; "" if there is none.
func discord(x, y *config.BGPAdvertisement) (field string, ofX, ofY any) {
	switch {
	case x.LocalPref != y.LocalPref:
		return "localPref", x.LocalPref, y.LocalPref
	case x.MED != y.MED:
		return "med", x.MED, y.MED
	case x.Prepend != y.Prepend:
		return "asPathPrepend", x.Prepend, y.Prepend
	case x.Weighted != y.Weighted:
		return "weightByLocalEndpoints", x.Weighted, y.Weighted
	}
	return "", nil, nil
}

// meet tells whether two advertisements have a pool, a peer and a node in
// common. Those that choose Services are told apart at run time.
func (b *assembly) meet(x, y *config.BGPAdvertisement) bool {
	if len(x.ServiceSelectors) > 0 || len(y.ServiceSelectors) > 0 {
		return false
	}
	pool := slices.ContainsFunc(b.out.Pools, func(p *config.Pool) bool { return x.PicksPool(p) && y.PicksPool(p) })
	peer := slices.ContainsFunc(b.out.Peers, func(p *config.Peer) bool { return picksPeer(x, p) && picksPeer(y, p) })
	node := slices.ContainsFunc(b.in.Nodes, func(n *config.Node) bool { return x.PicksNode(n) && y.PicksNode(n) })
	return pool && peer && node
}

func picksPeer(a *config.BGPAdvertisement, p *config.Peer) bool {
	return len(a.Peers) == 0 || slices.Contains(a.Peers, p.Name)
}

// checkPeers notes names of peers that are not there, a LOCAL_PREF that no peer
// will be told (RFC 4271 section 5.1.5: iBGP only), and an AS path that grows
// for nobody.
func (b *assembly) checkPeers(f *faults, a *config.BGPAdvertisement) {
	for i, name := range a.Peers {
		used := slices.ContainsFunc(b.out.Peers, func(p *config.Peer) bool { return p.Name == name })
		exists := slices.ContainsFunc(b.in.Peers, func(o *v1beta1.BGPPeer) bool {
			return o.Name == name && o.Namespace == b.in.Namespace
		})
		checkName(f, "spec.peers", i, "BGPPeer", name, used, exists)
	}
	external, internal := false, false
	for _, p := range b.out.Peers {
		if picksPeer(a, p) {
			internal, external = internal || p.Internal(), external || !p.Internal()
		}
	}
	if a.LocalPref != 0 && external && !internal {
		f.add("spec.localPref", ReasonNoEffect, "remove it, or peer by iBGP",
			"LOCAL_PREF is for iBGP, and every peer of this advertisement is in another AS")
	}
	if a.Prepend != 0 && internal && !external {
		f.add("spec.asPathPrepend", ReasonNoEffect, "remove it, or use localPref",
			"the AS path grows towards other ASes only, and every peer of this advertisement is in ours")
	}
}
