package speaker

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// announcement is what an event tells of.
type announcement struct {
	svc   config.Key
	addr  netip.Addr
	proto string
}

// tell writes an event to each Service for what is announced of it since the
// last decision.
func (a *Agent) tell() {
	now := make(map[announcement]bool, len(a.announced))
	a.tellLayer2(now)
	a.tellBGP(now)
	a.announced = now
	a.tellConflicts()
}

func (a *Agent) tellLayer2(now map[announcement]bool) {
	for _, c := range a.claimed() {
		logged := false
		for _, key := range c.Services {
			it := announcement{key, c.Addr, announce.Layer2}
			if now[it] = true; a.announced[it] {
				continue
			}
			if !logged {
				logged = true
				level.Info(a.log).Log("msg", "announcing", "addr", c.Addr, "link", strings.Join(c.Links, ","))
			}
			text := fmt.Sprintf("announcing %v from node %q with protocol %q", c.Addr, a.Node, announce.Layer2)
			if c.OffLink {
				text += ", although no interface of the node is on the subnet of the address"
			}
			a.event(it, text)
		}
	}
}

// tellBGP tells of routes. Every node offers them, and one event is enough: it
// is for the first of the nodes that may.
func (a *Agent) tellBGP(now map[announcement]bool) {
	if len(a.plan.Sessions) == 0 {
		return
	}
	offered := prefixesOf(a.plan.Sessions)
	silent := map[announcement]bool{}
	for _, s := range a.plan.Silences {
		if s.Proto != announce.Layer2 {
			silent[announcement{s.Service, s.Addr, announce.BGP}] = true
		}
	}
	earlier := a.earlier()
	for key, svc := range a.snap.Services.All() {
		if svc.Type != config.LoadBalancer || !a.Classes.Serve(svc.Class) {
			continue
		}
		for _, addr := range svc.Addrs {
			it := announcement{key, addr, announce.BGP}
			peers := offered.peers(addr)
			if peers == 0 || silent[it] {
				continue
			}
			if now[it] = true; a.announced[it] || a.spokenFor(svc, earlier) {
				continue
			}
			a.event(it, fmt.Sprintf("announcing %v from node %q to %d peers with protocol %q", addr, a.Node, peers, announce.BGP))
		}
	}
}

func (a *Agent) event(it announcement, message string) {
	if svc, ok := a.snap.Services.Get(it.svc); ok {
		a.Events.Event(config.Ref{Kind: config.KindService, Key: it.svc}, svc.UID, false, "nodeAssigned", message)
	}
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

// offers counts the sessions that hear of each prefix.
type offers struct {
	peersOf map[netip.Prefix]int
	lengths map[int]bool
}

func prefixesOf(sessions []announce.Session) offers {
	o := offers{map[netip.Prefix]int{}, map[int]bool{}}
	for _, s := range sessions {
		for _, r := range s.Routes {
			o.peersOf[r.Prefix]++
			o.lengths[r.Prefix.Bits()] = true
		}
	}
	return o
}

// peers is how many sessions hear of addr, by the prefix most of them get.
func (o offers) peers(addr netip.Addr) int {
	most := 0
	for bits := range o.lengths {
		if p, err := addr.Prefix(bits); err == nil {
			most = max(most, o.peersOf[p])
		}
	}
	return most
}
