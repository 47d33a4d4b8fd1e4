package speaker

import (
	"slices"
	"strings"

	"github.com/go-kit/log/level"
)

// recognise works out whether this process has another node's name: the others
// look for a node's speaker at the addresses that its Node has, and this one is
// at none of them. Such a process keeps out of everything: it would answer for
// what the records give to the other. Where it is the only node it is in nobody's
// way. A Node without an address of the gossip's family tells nothing.
func (a *Agent) recognise() {
	was := a.namesake
	a.namesake = false
	node, known := a.snap.Nodes.Get(a.Node)
	if known && a.GossipAddr.IsValid() && a.snap.Nodes.Len() > 1 {
		_, comparable := a.addrOf(node)
		a.namesake = comparable && !slices.Contains(node.Addrs, a.GossipAddr.Unmap())
	}
	if a.namesake == was {
		return
	}
	if a.namesake {
		var addrs []string
		for _, addr := range node.Addrs {
			addrs = append(addrs, addr.String())
		}
		level.Error(a.log).Log("msg", "another machine has this node name: taking part in nothing; is --node-name right, and --gossip-address?",
			"node", a.Node, "addr", a.GossipAddr, "has", strings.Join(addrs, " "))
		a.Health.NotReady("decision", "another machine has this node name")
		return
	}
	level.Info(a.log).Log("msg", "the node has the address of this speaker: taking part", "node", a.Node, "addr", a.GossipAddr)
}
