package controller

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// The reasons of [config.ConditionAnnounced] that are not a speaker's.
const (
	reasonAnnounced     = "Announced"
	reasonNoAd          = "NoMatchingAdvertisement"
	reasonNoNode        = "NoMatchingNode"
	reasonNotClaimed    = "NotClaimed"
	reasonOwnerNotReady = "OwnerNotReady"
	reasonNoSession     = "NoSession"
	eventAnnounceFailed = "announceFailed" // MetalLB's word
)

// outlook is what speakers report, put together: who announces what, as far as
// the API shows.
type outlook struct {
	snap       *config.Snapshot
	exceptions map[serviceAddr][]exception
	plane      plane
	// nodes are those that have a session which is to hear of what an
	// advertisement announces, by place in snap.BGP.
	nodes []map[string]bool
}

type serviceAddr struct {
	svc  config.Key
	addr netip.Addr
}

// exception is why an address is not announced, by the word of node.
type exception struct {
	node string
	config.Exception
}

func newOutlook(snap *config.Snapshot) *outlook {
	o := &outlook{snap: snap, exceptions: map[serviceAddr][]exception{}, plane: planeOf(snap)}
	sessions := map[string][]*config.Node{} // by peer
	for name, s := range snap.Speakers.All() {
		node, ok := snap.Nodes.Get(name)
		if !ok {
			continue
		}
		for _, e := range s.Exceptions {
			at := serviceAddr{e.Service, e.Addr}
			o.exceptions[at] = append(o.exceptions[at], exception{name, e})
		}
		for _, r := range s.Sessions {
			if r.State == config.SessionEstablished && !node.NetworkUnavailable && !node.OutOfService {
				sessions[r.Peer] = append(sessions[r.Peer], node)
			}
		}
	}
	for _, ad := range snap.BGP {
		nodes := map[string]bool{}
		for _, p := range snap.Peers {
			if len(ad.Peers) > 0 && !slices.Contains(ad.Peers, p.Name) {
				continue
			}
			for _, node := range sessions[p.Name] {
				if ad.PicksNode(node) {
					nodes[node.Name] = true
				}
			}
		}
		o.nodes = append(o.nodes, nodes)
	}
	return o
}

// voice is who announces one address, or why nobody does.
type voice struct {
	addr            netip.Addr
	layer2, bgp     string // who, "" if nobody
	reason, message string // if nobody by either
}

func (v voice) silent() bool { return v.layer2 == "" && v.bgp == "" }

// condition says who announces the addresses of svc; nil if none of them is
// ours.
func (o *outlook) condition(svc *config.Service) *config.Condition {
	var voices []voice
	for _, addr := range svc.Addrs {
		if pool := o.snap.OurPool(svc, addr); pool != nil {
			voices = append(voices, o.voiceOf(svc, addr, pool))
		}
	}
	if len(voices) == 0 {
		return nil
	}
	c := &config.Condition{Type: config.ConditionAnnounced, Status: true, Reason: reasonAnnounced}
	words := slices.Concat(
		summary("layer2", voices, func(v voice) string { return v.layer2 }),
		summary("bgp", voices, func(v voice) string { return v.bgp }))
	for _, v := range voices {
		if !v.silent() {
			continue
		}
		if c.Status {
			c.Status, c.Reason = false, v.reason
		}
		words = append(words, v.message)
	}
	c.Message = strings.Join(slices.Compact(words), "; ")
	return c
}

// summary names who announces by proto: once if it is the same for all
// addresses, else for each.
func summary(proto string, voices []voice, who func(voice) string) (words []string) {
	same := !slices.ContainsFunc(voices, func(v voice) bool { return who(v) != who(voices[0]) })
	for _, v := range voices {
		switch text := who(v); {
		case text == "":
		case same:
			return []string{proto + ": " + text}
		default:
			words = append(words, fmt.Sprintf("%s: %v %s", proto, v.addr, text))
		}
	}
	return words
}

func (o *outlook) voiceOf(svc *config.Service, addr netip.Addr, pool *config.Pool) voice {
	v := voice{addr: addr, reason: reasonNoAd,
		message: fmt.Sprintf("no L2Advertisement and no BGPAdvertisement selects pool %s with this Service", pool.Name)}
	told := o.told(svc, addr)
	if o.bgp(&v, svc, pool); v.bgp != "" && slices.ContainsFunc(told, func(e exception) bool { return e.Reason == config.ExceptionNoEndpoints }) {
		v.bgp = ""
	}
	o.layer2(&v, svc, pool, told)
	if len(told) > 0 && v.silent() {
		v.reason, v.message = upper(told[0].Reason), told[0].Message
	}
	return v
}

// told is why addr is not announced, by the word of those whose word counts:
// once somebody has claimed it, that node alone, except that a Service without
// an endpoint has none for anybody.
func (o *outlook) told(svc *config.Service, addr netip.Addr) (out []exception) {
	claim, claimed := o.snap.Claims.Get(addr)
	for _, e := range o.exceptions[serviceAddr{svc.Key, addr}] {
		if !claimed || claim.Owner == e.node || e.Reason == config.ExceptionNoEndpoints {
			out = append(out, e)
		}
	}
	return out
}

// bgp finds the nodes that offer a route to routers. Which of them have an
// endpoint of a Service with policy Local is known to them alone.
func (o *outlook) bgp(v *voice, svc *config.Service, pool *config.Pool) {
	nodes := map[string]bool{}
	for i, ad := range o.snap.BGP {
		if !ad.Covers(pool, svc) {
			continue
		}
		v.reason, v.message = reasonNoSession, "no BGP session that is to hear of the address is established"
		for node := range o.nodes[i] {
			nodes[node] = true
		}
	}
	switch n := len(nodes); {
	case n == 0:
	case svc.Local:
		v.bgp = fmt.Sprintf("those of %d nodes that have an endpoint", n)
	case n == 1:
		v.bgp = "1 node"
	default:
		v.bgp = fmt.Sprintf("%d nodes", n)
	}
}

// layer2 finds the node that answers on the LAN.
func (o *outlook) layer2(v *voice, svc *config.Service, pool *config.Pool, told []exception) {
	covered, chosen := false, false
	for _, ad := range o.snap.L2 {
		if !ad.Covers(pool, svc) {
			continue
		}
		covered = true
		for _, node := range o.snap.Nodes.All() {
			if chosen = chosen || ad.PicksNode(node); chosen {
				break
			}
		}
	}
	claim, claimed := o.snap.Claims.Get(v.addr)
	switch {
	case !covered:
	case !claimed && !chosen:
		v.reason, v.message = reasonNoNode, "no node is chosen by the nodeSelectors of the L2Advertisements for the address"
	case !claimed:
		v.reason, v.message = reasonNotClaimed, fmt.Sprintf("no node has claimed %v yet", v.addr)
	case !o.ready(claim.Owner):
		v.reason, v.message = reasonOwnerNotReady, fmt.Sprintf("node %s, which owns %v, is not Ready", claim.Owner, v.addr)
	case len(told) == 0:
		v.layer2 = strings.Join(append([]string{"node " + claim.Owner}, claim.Interfaces...), ", ")
	}
}

func (o *outlook) ready(name string) bool {
	node, ok := o.snap.Nodes.Get(name)
	return ok && node.Ready
}

// upper makes a speaker's reason one of a condition.
func upper(reason string) string {
	if reason == "" {
		return reasonNotClaimed
	}
	return strings.ToUpper(reason[:1]) + reason[1:]
}
