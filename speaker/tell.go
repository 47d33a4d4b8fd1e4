package speaker

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// told is what events have told of.
type told struct {
	claims []announce.Claim
	offers []announce.Offer
}

func (t *told) nothing() bool { return len(t.claims)+len(t.offers) == 0 }

// tell writes an event to each Service for what is announced of it since the
// last decision.
func (a *Agent) tell() {
	claims, offers := a.claimed(), a.plan.Offers
	news(a.told.claims, claims, about, a.tellClaim)
	earlier := sync.OnceValue(a.earlier)
	news(a.told.offers, offers, aboutOffer, func(o *announce.Offer, fresh []config.Key) { a.tellOffer(o, fresh, earlier) })
	a.told = told{claims, offers}
	a.tellConflicts()
}

func about(c *announce.Claim) (netip.Addr, []config.Key)      { return c.Addr, c.Services }
func aboutOffer(o *announce.Offer) (netip.Addr, []config.Key) { return o.Addr, o.Services }

// news tells of each of now the Services that it is about and was not in old.
// Both are sorted by address.
func news[T any](old, now []T, about func(*T) (netip.Addr, []config.Key), tell func(*T, []config.Key)) {
	if len(old) == len(now) && (len(now) == 0 || &old[0] == &now[0]) {
		return // nothing has changed
	}
	for i := range now {
		addr, services := about(&now[i])
		var had []config.Key
		for ; len(old) > 0; old = old[1:] {
			was, about := about(&old[0])
			if was == addr {
				had = about
			}
			if !was.Less(addr) {
				break
			}
		}
		if !slices.Equal(had, services) {
			fresh := slices.DeleteFunc(slices.Clone(services), func(k config.Key) bool { return slices.Contains(had, k) })
			if len(fresh) > 0 {
				tell(&now[i], fresh)
			}
		}
	}
}

// tellClaim tells the Services that c is claimed for.
func (a *Agent) tellClaim(c *announce.Claim, services []config.Key) {
	level.Info(a.log).Log("msg", "announcing", "addr", c.Addr, "link", strings.Join(c.Links, ","))
	text := fmt.Sprintf("announcing %v from node %q with protocol %q", c.Addr, a.Node, announce.Layer2)
	if c.OffLink {
		text += ", although no interface of the node is on the subnet of the address"
	}
	for _, key := range services {
		if svc, ok := a.snap.Services.Get(key); ok {
			a.event(svc, text)
		}
	}
}

// tellOffer tells the Services that routes are offered for. Every node offers
// them, and one event is enough: it is for the first of the nodes that may.
func (a *Agent) tellOffer(o *announce.Offer, services []config.Key, earlier func() map[string]bool) {
	for _, key := range services {
		if svc, ok := a.snap.Services.Get(key); ok && !a.spokenFor(svc, earlier()) {
			a.event(svc, fmt.Sprintf("announcing %v from node %q to %d peers with protocol %q", o.Addr, a.Node, o.Peers, announce.BGP))
		}
	}
}

func (a *Agent) event(svc *config.Service, message string) {
	a.Events.Event(config.Ref{Kind: config.KindService, Key: svc.Key}, svc.UID, false, "nodeAssigned", message)
}

// earlier are the nodes before this one, by name, that hold BGP sessions, as
// far as can be told from here.
func (a *Agent) earlier() map[string]bool {
	out := map[string]bool{}
	for _, m := range a.members {
		node, known := a.snap.Nodes.Get(m.Node)
		if m.Node >= a.Node || !known || !m.Alive || m.Leaving || node.OutOfService || node.NetworkUnavailable ||
			node.Excluded() && !a.IgnoreExcludeLabel {
			continue
		}
		if slices.ContainsFunc(a.snap.Peers, func(p *config.Peer) bool { return p.PicksNode(node) }) {
			out[m.Node] = true
		}
	}
	return out
}

// spokenFor tells whether one of the earlier nodes announces svc too.
func (a *Agent) spokenFor(svc *config.Service, earlier map[string]bool) bool {
	if len(earlier) == 0 || !svc.Local {
		return len(earlier) > 0
	}
	eps, ok := a.snap.Endpoints.Get(svc.Key)
	return ok && slices.ContainsFunc(eps.Ports, func(p config.EndpointPort) bool {
		return slices.ContainsFunc(p.Backends, func(b config.Backend) bool { return b.Ready && earlier[b.Node] })
	})
}
