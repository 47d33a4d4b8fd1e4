package config

import (
	"net/netip"
	"time"
)

// Node is a Kubernetes Node, cut to what Steelyard uses.
type Node struct {
	Name               string
	UID                string
	Labels             map[string]string
	Addrs              []netip.Addr // InternalIP and ExternalIP
	PodCIDRs           []netip.Prefix
	Ready              bool
	NetworkUnavailable bool
	OutOfService       bool // taint node.kubernetes.io/out-of-service
}

// ExcludeLabel keeps a node out of external load balancing (KEP-1143).
const ExcludeLabel = "node.kubernetes.io/exclude-from-external-load-balancers"

// ZoneLabel names the zone of a node.
const ZoneLabel = "topology.kubernetes.io/zone"

// Excluded tells whether the node must not carry external addresses.
func (n *Node) Excluded() bool {
	_, ok := n.Labels[ExcludeLabel]
	return ok
}

// L2Claim is the recorded owner of one address on the LAN.
type L2Claim struct {
	Addr     netip.Addr
	Owner    string // node name
	Previous string // owner before, "" if none
	Epoch    int64  // grows by one with each change of ownership
	Since    time.Time
	Version  string // resourceVersion, for compare-and-swap
	// Interfaces of the owner on which it answered when it took over.
	Interfaces []string
	// Wanted is a node that is to take the address over, "" if none. It counts
	// only while that node may announce the address.
	Wanted string
}

// SpeakerStatus is what one node's speaker last reported.
type SpeakerStatus struct {
	Node           string
	ForwarderReady bool
	Forwarder      string // "nft", or "off"
	// ForwarderMessage says why it is not ready.
	ForwarderMessage string
	Sessions         []SessionReport
	Links            []LinkReport
	Exceptions       []Exception
}
