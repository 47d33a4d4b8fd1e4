package announce

import (
	"cmp"
	"net/netip"
	"reflect"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// adSet are advertisements, by their places in Snapshot.BGP.
type adSet string // a rune for each

// carriage is a prefix that an address of a Service makes advertisements offer.
type carriage struct {
	prefix netip.Prefix
	ads    adSet
	last   bool   // on its way out
	weight uint32 // endpoints on this node
}

// tally sums up the addresses that make the same advertisements offer a prefix.
type tally struct {
	ads    adSet
	last   bool // they are on their way out
	addrs  int
	weight int
}

// sayBGP finds the prefixes to offer for the address of s, or says why there are
// none.
func (v *view) sayBGP(out *said, s *site) {
	var services []config.Key
	for _, w := range s.wants {
		if len(w.bgp) == 0 {
			continue
		}
		var ads []int
		for _, i := range w.bgp {
			if v.in.Snap.BGP[i].PicksNode(v.self) {
				ads = append(ads, i)
			}
		}
		reason, message := v.unroutable(w, len(ads) > 0)
		switch {
		case reason == "":
			v.carry(out, w, ads, false)
			reason, message = v.unheard(w.addr, ads)
		case v.drains(w, reason):
			v.carry(out, w, ads, true)
		}
		if reason == "" {
			services = append(services, w.svc.Key)
		} else {
			out.silence(w, BGP, reason, message)
		}
	}
	if len(services) > 0 {
		out.offer = &Offer{s.addr, services, v.audience(s.addr, out.carried)}
	}
}

// unroutable finds why this node offers no route for w, or "".
func (v *view) unroutable(w *want, picked bool) (reason, message string) {
	if v.mute != nil {
		return v.mute.Reason, v.mute.Message
	}
	if reason, message := v.unreachable(w); reason != "" {
		return reason, message
	}
	if !picked {
		return ReasonNoAdvertisement, "no BGPAdvertisement selects node " + v.in.Self
	}
	if !v.forwards(w) {
		return ReasonForwarderNotReady, "the forwarder of this node is not ready for the address"
	}
	return "", ""
}

// drains tells whether the route for w, which this node is not to offer for
// reason, is the last choice for a while first: because the node was labelled, or
// because the Service's last endpoint here terminates. In both cases what still
// arrives is forwarded and served.
func (v *view) drains(w *want, reason string) bool {
	unserved, _ := v.unreachable(w)
	if !v.in.Forward.Takes(w.addr) || unserved != "" && !w.reach.fading {
		return false
	}
	return reason == ReasonExcluded && v.in.Draining || reason == unserved
}

// carry notes the prefixes that ads make of the address of w, last if they are
// on their way out.
func (v *view) carry(out *said, w *want, ads []int, last bool) {
	var prefixes []netip.Prefix
	sets := map[netip.Prefix]adSet{}
	for _, i := range ads {
		prefix, err := w.addr.Prefix(length(v.in.Snap.BGP[i], w.addr))
		if err != nil {
			continue // a length beyond the family's; validation refuses it before
		}
		if sets[prefix] == "" {
			prefixes = append(prefixes, prefix)
		}
		sets[prefix] += adSet(rune(i))
	}
	for _, prefix := range prefixes {
		out.carried = append(out.carried, carriage{prefix, sets[prefix], last, v.share(w, sets[prefix])})
	}
}

// unheard finds why no peer of this node hears of addr by ads, or "".
func (v *view) unheard(addr netip.Addr, ads []int) (reason, message string) {
	heard := false
	for i := range v.peers {
		p := &v.peers[i]
		if !slices.ContainsFunc(ads, func(i int) bool { return p.hears(v.in.Snap.BGP[i], addr) }) {
			continue
		}
		heard = true
		if _, ok := p.nextHop(addr); ok {
			return "", ""
		}
	}
	if heard {
		return ReasonNoNextHop, "the sessions are IPv4 and node " + v.in.Self + " has no global IPv6 address to be the next hop"
	}
	return ReasonNoPeer, "no BGPPeer of node " + v.in.Self + " is to hear of the address"
}

// audience is how many peers hear of addr by the prefix that most of them get.
func (v *view) audience(addr netip.Addr, carried []carriage) (most int) {
	for _, c := range carried {
		n := 0
		for i := range v.peers {
			p := &v.peers[i]
			_, ok := p.nextHop(addr)
			if ok && slices.ContainsFunc(carried, func(o carriage) bool { return o.prefix == c.prefix && v.anyHeard(p, o.ads, addr) }) {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// route is the one for prefix to p, and whether there is one: it stays as long
// as one address below it is up, and advertisements that make the same prefix
// are merged. It is the last choice once all addresses below it are on their way
// out. carried is what makes each of them offer it.
func (v *view) route(p *peering, prefix netip.Prefix, carried []tally) (r Route, offered bool) {
	hop, ok := p.nextHop(prefix.Addr())
	if !ok {
		return Route{}, false // a reason to be silent, see unheard
	}
	stays := false
	for _, sum := range carried {
		weighted := false
		for _, i := range sum.ads {
			if ad := v.in.Snap.BGP[i]; p.hears(ad, prefix.Addr()) {
				offered, stays, weighted = true, stays || !sum.last, weighted || ad.Weighted
				r = merge(r, Route{Prefix: prefix, NextHop: hop, LocalPref: ad.LocalPref, Communities: ad.Communities, Large: ad.Large,
					MED: ad.MED, Prepend: prepend(ad, p.peer), Weight: r.Weight})
			}
		}
		if weighted {
			r.Weight += uint32(sum.weight)
		}
	}
	r.Last = offered && !stays
	return r, offered
}

// anyHeard tells whether one of ads offers addr to p.
func (v *view) anyHeard(p *peering, ads adSet, addr netip.Addr) bool {
	for _, i := range ads {
		if p.hears(v.in.Snap.BGP[i], addr) {
			return true
		}
	}
	return false
}

// hears tells whether ad offers addr to p.
func (p *peering) hears(ad *config.BGPAdvertisement, addr netip.Addr) bool {
	return p.peer.Carries(addr) && (len(ad.Peers) == 0 || slices.Contains(ad.Peers, p.peer.Name))
}

// length is the aggregation length for addr; 0 in the advertisement reads as
// the whole address.
func length(ad *config.BGPAdvertisement, addr netip.Addr) int {
	n := ad.Length4
	if addr.Is6() {
		n = ad.Length6
	}
	if n == 0 {
		return addr.BitLen()
	}
	return int(n)
}

// merge unites two reasons to offer one prefix: all communities, and of those
// that say something the one that attracts most: the higher local preference,
// the lower MED, the shorter AS path. The zero Route is no reason.
func merge(a, b Route) Route {
	if a.Prefix.IsValid() {
		b.Prepend = min(a.Prepend, b.Prepend)
	}
	if b.MED == 0 || a.MED != 0 && a.MED < b.MED {
		b.MED = a.MED
	}
	b.LocalPref = max(a.LocalPref, b.LocalPref)
	b.Communities = slices.Concat(a.Communities, b.Communities)
	slices.Sort(b.Communities)
	b.Communities = slices.Compact(b.Communities)
	b.Large = slices.Concat(a.Large, b.Large)
	slices.SortFunc(b.Large, func(x, y config.LargeCommunity) int {
		return cmp.Or(cmp.Compare(x.Global, y.Global), cmp.Compare(x.Local1, y.Local1), cmp.Compare(x.Local2, y.Local2))
	})
	b.Large = slices.Compact(b.Large)
	return b
}

// carry counts what is carried more or less (by: 1 or -1) than before.
func (e *editor) carry(list []carriage, by int) {
	for _, c := range list {
		sums, ok := e.counts[c.prefix]
		if !ok {
			old, _ := e.prev.carried.Get(c.prefix)
			sums = slices.Clone(old)
		}
		i := slices.IndexFunc(sums, func(t tally) bool { return t.ads == c.ads && t.last == c.last })
		if i < 0 {
			i, sums = len(sums), append(sums, tally{ads: c.ads, last: c.last})
		}
		sums[i].addrs += by
		sums[i].weight += by * int(c.weight)
		e.counts[c.prefix] = sums
	}
}

// sessions gives every peer of this node a session. A node that must be silent
// keeps its sessions and offers nothing on them.
func (e *editor) sessions() (config.Table[netip.Prefix, []tally], []Session) {
	carried, routes := e.prev.carried.Edit(), make([]edits[Route], len(e.view.peers))
	for prefix, now := range e.counts {
		was, _ := e.prev.carried.Get(prefix)
		now = slices.DeleteFunc(now, func(t tally) bool { return t.addrs == 0 })
		if len(now) > 0 {
			carried.Set(prefix, now)
		} else {
			carried.Delete(prefix)
		}
		for i := range e.view.peers {
			e.reroute(&routes[i], &e.view.peers[i], prefix, was, now)
		}
	}
	if len(e.counts) == 0 && len(e.prev.Sessions) == len(e.view.peers) {
		return carried.Done(), e.prev.Sessions
	}
	var out []Session
	for i := range e.view.peers {
		s := Session{Peer: e.view.peers[i].peer, RouterID: e.view.peers[i].routerID}
		if i < len(e.prev.Sessions) {
			s.Routes = e.prev.Sessions[i].Routes
		}
		s.Routes = routes[i].in(s.Routes, compareRoutes)
		out = append(out, s)
	}
	return carried.Done(), out
}

// reroute notes what becomes of the route for prefix to p.
func (e *editor) reroute(routes *edits[Route], p *peering, prefix netip.Prefix, was, now []tally) {
	old, had := e.view.route(p, prefix, was)
	fresh, has := e.view.route(p, prefix, now)
	if had && has && reflect.DeepEqual(old, fresh) {
		return
	}
	if had {
		routes.replace(&old, nil)
	}
	if has {
		routes.replace(nil, &fresh)
	}
}

func compareRoutes(a, b Route) int {
	return cmp.Or(a.Prefix.Addr().Compare(b.Prefix.Addr()), cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()))
}
