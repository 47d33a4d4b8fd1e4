package controller

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// sessions is what the nodes report of one peer.
type sessions struct {
	up, connecting []string            // nodes
	down           map[string][]string // reason → nodes
}

// sessionsOf gathers the reports of all nodes that peer with p.
func sessionsOf(p *config.Peer, snap *config.Snapshot) sessions {
	s := sessions{down: map[string][]string{}}
	for name, node := range snap.Nodes.All() {
		if !p.PicksNode(node) {
			continue
		}
		report, ok := reportOf(p, name, snap)
		switch {
		case ok && report.State == config.SessionEstablished:
			s.up = append(s.up, name)
		case ok && report.LastDrop != "":
			s.down[report.LastDrop] = append(s.down[report.LastDrop], name)
		default:
			s.connecting = append(s.connecting, name)
		}
	}
	for _, nodes := range s.down {
		slices.Sort(nodes)
	}
	slices.Sort(s.connecting)
	return s
}

func reportOf(p *config.Peer, node string, snap *config.Snapshot) (config.SessionReport, bool) {
	speaker, ok := snap.Speakers.Get(node)
	if !ok {
		return config.SessionReport{}, false
	}
	for _, r := range speaker.Sessions {
		if r.Peer == p.Name {
			return r, true
		}
	}
	return config.SessionReport{}, false
}

// condition says whether every node has its session, and if not, why.
func (s sessions) condition() config.Condition {
	total := len(s.up) + len(s.connecting)
	for _, nodes := range s.down {
		total += len(nodes)
	}
	c := config.Condition{Type: config.ConditionEstablished, Message: fmt.Sprintf("%d of %d nodes have a session", len(s.up), total)}
	switch {
	case total == 0:
		c.Reason, c.Message = "NoNode", "no node is chosen by nodeSelectors"
	case len(s.up) == total:
		c.Status, c.Reason = true, config.ConditionEstablished
	case len(s.down) > 0:
		c.Reason = "SessionDown"
		c.Message += "; " + s.reasons()
	default:
		c.Reason = "Connecting"
		c.Message += "; connecting: " + strings.Join(s.connecting, ", ")
	}
	return c
}

func (s sessions) reasons() string {
	var out []string
	for _, why := range slices.Sorted(maps.Keys(s.down)) {
		out = append(out, strings.Join(s.down[why], ", ")+": "+why)
	}
	return strings.Join(out, "; ")
}

// sessionProblems tells of each reason why sessions are down. They are not
// faults of the object: a router that is off makes no BGPPeer invalid.
func sessionProblems(snap *config.Snapshot, namespace string) []config.Problem {
	var out []config.Problem
	for _, p := range snap.Peers {
		s := sessionsOf(p, snap)
		for _, why := range slices.Sorted(maps.Keys(s.down)) {
			out = append(out, config.Problem{
				Object: peerRef(p, namespace), Reason: "SessionDown",
				Message: fmt.Sprintf("no session with %v from %s: %s", p.Addr, strings.Join(s.down[why], ", "), why),
				Remedy:  "check that the router expects these nodes, and its address, port, AS and password; kubectl get speakerstatuses -o yaml has the details",
			})
		}
	}
	return out
}

func peerRef(p *config.Peer, namespace string) config.Ref {
	return config.Ref{Kind: config.KindBGPPeer, Key: config.Key{Namespace: namespace, Name: p.Name}}
}
