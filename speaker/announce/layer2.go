package announce

import (
	"net/netip"
	"slices"
	"time"
)

// sayLayer2 claims the address of s or says why not. Services that share it are
// decided together.
func (v *view) sayLayer2(out *said, s *site, owner int) {
	claim := &Claim{Addr: s.addr}
	if s.rec != nil {
		claim.Held, claim.Previous, claim.Epoch = s.rec.Owner == v.in.Self, s.rec.Owner, s.rec.Epoch
	}
	mine := owner >= 0 && v.nodes[owner].name == v.in.Self
	yield := !mine && owner >= 0 && claim.Held && v.mayYield()
	if !mine && !yield || !slices.ContainsFunc(s.group, v.forwards) || v.joining && !claim.Held {
		v.silenceGroup(out, s, owner)
		return
	}
	claim.Links, claim.OffLink = v.claimLinks(s.group, yield)
	if len(claim.Links) == 0 {
		v.silenceGroup(out, s, owner)
		return
	}
	claim.Refresh, claim.Yielding = v.refresh(s.group), yield
	if claim.Held {
		claim.Previous = ""
	}
	for _, w := range s.group {
		if reason, message := v.unserved(w); reason != "" && !yield {
			out.silence(w, Layer2, reason, message)
			continue
		}
		claim.Services = append(claim.Services, w.svc.Key)
	}
	if yield || v.vacant(out, s, claim) {
		out.claim = claim
	}
}

// mayYield tells whether this node, no longer entitled to what the record
// gives it, goes on answering until the successor has written its claim: a
// planned move has no moment without an answer. A node that counts as dead
// stops at once.
func (v *view) mayYield() bool {
	return v.self != nil && !v.self.OutOfService && (v.mute == nil || v.mute.Reason != ReasonNoMembership)
}

// claimLinks finds the interfaces to answer on: those an advertisement names,
// else those on the address's subnet, else all usable ones. A node that yields
// answers on what it had, although no advertisement may select it any more.
func (v *view) claimLinks(group []*want, yield bool) (names []string, offLink bool) {
	var near, named, all []string
	addr := group[0].addr
	for i := range group {
		for _, ad := range group[i].l2 {
			if !v.ads[ad].picks && !yield {
				continue
			}
			for _, l := range v.ads[ad].links {
				if v.ads[ad].ad.RequireSubnet && !l.On(addr) && !yield {
					continue
				}
				all = append(all, l.Name)
				if l.On(addr) {
					near = append(near, l.Name)
				}
				if len(v.ads[ad].ad.Interfaces) > 0 {
					named = append(named, l.Name)
				}
			}
		}
	}
	names = slices.Concat(near, named)
	if len(names) == 0 {
		names = all
	}
	slices.Sort(names)
	return slices.Compact(names), len(near) == 0
}

// refresh is the shortest time between two unasked announcements that an
// advertisement of group asks for; 0 if none does.
func (v *view) refresh(group []*want) (shortest time.Duration) {
	for i := range group {
		for _, ad := range group[i].l2 {
			if every := v.ads[ad].ad.Refresh; every > 0 && (shortest == 0 || every < shortest) {
				shortest = every
			}
		}
	}
	return shortest
}

// silenceGroup gives each Service of s its reason; owner is the place of the node
// that should own the address, -1 if there is none.
func (v *view) silenceGroup(out *said, s *site, owner int) {
	for _, w := range s.group {
		reason, message := v.unserved(w)
		if reason == "" {
			reason, message = v.whyNotOwner(owner)
		} else if owner >= 0 {
			message += "; " + v.nodes[owner].name + " owns it"
		}
		out.silence(w, Layer2, reason, message)
	}
}

func (v *view) whyNotOwner(owner int) (reason, message string) {
	switch {
	case owner < 0:
		return ReasonNoAdvertisement, "no node can announce the address"
	case v.nodes[owner].name != v.in.Self:
		return ReasonNotOwner, "node " + v.nodes[owner].name + " owns it"
	case v.joining:
		return ReasonNoMembership, "node " + v.in.Self + " is still looking for the other members"
	default:
		return ReasonForwarderNotReady, "the forwarder of this node is not ready for the address"
	}
}

// unserved finds why this node could not serve w even if nobody else did;
// reason is "" if it could.
func (v *view) unserved(w *want) (reason, message string) {
	if v.mute != nil {
		return v.mute.Reason, v.mute.Message
	}
	if reason, message := v.unreachable(w); reason != "" {
		return reason, message
	}
	picked := slices.ContainsFunc(w.l2, func(ad int) bool { return v.ads[ad].picks })
	if !picked {
		return ReasonNoAdvertisement, "no L2Advertisement selects node " + v.in.Self
	}
	able := slices.ContainsFunc(w.l2, func(ad int) bool { return v.ads[ad].picks && len(v.ads[ad].links) > 0 })
	if !able {
		return ReasonNoInterface, "node " + v.in.Self + " has no interface that is up and that the L2Advertisement allows"
	}
	if !slices.ContainsFunc(w.l2, func(ad int) bool { return v.ads[ad].serves(w.addr) }) {
		return ReasonNoSubnet, "node " + v.in.Self + " has no interface on the subnet of " + w.addr.String() + ", and the L2Advertisement has requireSubnet"
	}
	return "", ""
}

// serves tells whether a lets this node announce addr as far as its interfaces go.
func (a *l2Ad) serves(addr netip.Addr) bool {
	return a.picks && slices.ContainsFunc(a.links, func(l Link) bool { return !a.ad.RequireSubnet || l.On(addr) })
}

// unreachable finds why traffic for w that came to this node would go nowhere.
func (v *view) unreachable(w *want) (reason, message string) {
	if !w.reach.any {
		return ReasonNoEndpoints, "the Service has no ready endpoint"
	}
	if w.svc.Local && !w.reach.on(v.in.Self) {
		return ReasonNoLocalEndpoints, "externalTrafficPolicy is Local and node " + v.in.Self + " has no ready endpoint"
	}
	return "", ""
}
