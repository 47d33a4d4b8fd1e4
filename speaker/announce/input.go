package announce

import (
	"net/netip"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/host"
)

// Input is everything that [Decide] looks at.
type Input struct {
	Snap    *config.Snapshot
	Self    string   // name of this node
	Members []Member // of all nodes, this one included
	Host    host.State
	Forward Forwarding
	Classes config.Classes // loadBalancerClasses we serve
	// Probes are what asking for the [Plan]'s Probes came to, so far; nil:
	// nobody asks, and every address is taken for free.
	Probes map[netip.Addr]Probe

	ExcludedLinks      LinkPatterns
	IgnoreExcludeLabel bool // announce from nodes labelled [config.ExcludeLabel] too
	// Draining tells that this node has been labelled so only a moment ago: the
	// routes that it had are the last choice as long as this is set.
	Draining bool
}

// Forwarding tells which addresses this node's forwarder is ready to take.
type Forwarding struct {
	Off   bool // nobody waits: kube-proxy or a CNI forwards
	Ready Addrs
}

// Addrs are addresses, each with how much there is of what they are listed for.
type Addrs = config.Table[netip.Addr, int]

// ForwardingOff is the state of a node that announces only.
var ForwardingOff = Forwarding{Off: true}

// Takes tells whether traffic to addr would be forwarded.
func (f Forwarding) Takes(addr netip.Addr) bool {
	if f.Off {
		return true
	}
	_, ok := f.Ready.Get(addr)
	return ok
}
