package speaker

import (
	"context"
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/host"
	"github.com/steelyard-lb/steelyard/l4proxy"
	"github.com/steelyard-lb/steelyard/l4proxy/health/check"
	"github.com/steelyard-lb/steelyard/l4proxy/relay"
	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/bfd"
	"github.com/steelyard-lb/steelyard/speaker/bgp"
	"github.com/steelyard-lb/steelyard/speaker/discovery"
	"github.com/steelyard-lb/steelyard/speaker/layer2"
	"github.com/steelyard-lb/steelyard/speaker/pulse"
)

// Parts are what an agent is made of.
type Parts struct {
	Node      string         // name of this node
	Namespace string         // of the BGPPeers
	Classes   config.Classes // loadBalancerClasses that are served
	// ExternalIPs are the ranges in which spec.externalIPs are forwarded.
	ExternalIPs config.ExternalIPs
	// PodCIDRs are the addresses of pods where the CNI has other ones than the
	// Nodes say; none: as the Node says.
	PodCIDRs []netip.Prefix
	Version  string
	// GossipAddr is this node's own; others are met at addresses of its family.
	// Without it their first address counts.
	GossipAddr netip.Addr
	GossipPort uint16 // the same on all nodes
	PulsePort  uint16 // of the heartbeats, the same on all nodes

	ExcludedLinks      announce.LinkPatterns
	IgnoreExcludeLabel bool

	Snapshots   <-chan *config.Snapshot
	Hosts       <-chan host.State
	Members     Membership
	Pulse       Heartbeats
	Forwarder   Forwarder   // nil: somebody else forwards
	HealthPorts HealthPorts // nil with Forwarder
	Checker     Checker     // of backends; nil: they are not checked
	Relay       Relay       // nil: nothing is relayed
	LAN         LAN
	Routers     Routers
	Detector    Detector
	Discovery   Discovery
	Inbound     Inbound
	Way         way // nil: nobody looks whether VRFs lead to pods
	// Faults finds what is wrong beside the API's objects: with this host, with
	// the gossip's keys; nil if nobody looks. It is called by one goroutine, every
	// half minute.
	Faults func() []config.Problem

	Claims  claimStore
	Records recordStore
	Reports reportStore
	Events  eventSink
	Ask     standing
	Health  health
	Metrics prometheus.Registerer // may be nil

	// Tasks run as long as the agent does; the end of one ends it, with or
	// without an error.
	Tasks []func(context.Context) error
}

// Membership is who else is alive.
type Membership interface {
	Members() <-chan []announce.Member
	// Join makes addrs the places where members are looked for.
	Join(addrs []netip.AddrPort)
	// Apply tells the others which interfaces this node could announce on.
	Apply(links []announce.Link)
	// TellTakeovers tells the others which addresses this node answers for before
	// the record says so, which they believe for some seconds, and which records
	// it wrote.
	TellTakeovers(list []announce.Takeover)
	// Share makes records what those who come are told.
	Share(records config.Table[netip.Addr, *config.L2Claim])
	// Takeovers are what others tell of the same.
	Takeovers() <-chan []announce.Takeover
	// TellHealth tells the others what this node found of backends: news, or what
	// it told before again.
	TellHealth(list []check.Word, again bool)
	// ShareHealth makes known what those who come are told of backends.
	ShareHealth(known []check.Word)
	// Health is what others tell of backends.
	Health() <-chan []check.Word
	// Restarting tells the others that this node is back in a moment.
	Restarting(ctx context.Context) error
	// Leaving tells the others to take over what this node has.
	Leaving(ctx context.Context) error
	// Leave says goodbye, so that nobody takes this node for dead.
	Leave(ctx context.Context) error
}

// Heartbeats find a death faster than membership does.
type Heartbeats interface {
	Views() <-chan pulse.View
	// Apply makes peers those whose beats are looked for.
	Apply(peers []pulse.Peer)
}

// Forwarder is the data plane of this node.
type Forwarder interface {
	Apply(l4proxy.Table) error
	// Inspect tells by an error that the kernel has not what was applied last.
	Inspect() error
	Remove() error
}

// HealthPorts answer other load balancers on healthCheckNodePorts.
type HealthPorts interface {
	// Apply makes ports those that are answered on, with the number of endpoints
	// that this node has for each; healthy tells whether it forwards.
	Apply(ports config.Table[l4proxy.HealthPort, int], healthy bool)
}

// Checker checks backends.
type Checker interface {
	// Apply makes list what is checked.
	Apply(list []check.Assignment)
	Found() <-chan []check.Verdict
}

// Relay forwards in user space what the kernel cannot, in a process of its own.
type Relay interface {
	// Apply makes c what is relayed; the same again costs nothing.
	Apply(c relay.Config)
	Updates() <-chan relay.Report
}

// LAN answers for addresses by ARP and NDP.
type LAN interface {
	Apply(claims []announce.Claim, state host.State)
	Beat()
	// Ask makes claims those whose addresses are asked for first; others, the
	// members but this node, may have them.
	Ask(claims []announce.Claim, others []announce.Member, state host.State)
	// Findings are what is known of strangers that have addresses of ours.
	Findings() layer2.Findings
	Changed() <-chan struct{}
}

// Routers are the BGP sessions.
type Routers interface {
	Apply(sessions []announce.Session)
	// Drop makes the session of a peer fall, if it is up; it comes back by itself.
	Drop(peer string, why bgp.Reason)
	States() []bgp.SessionState
	Changed() <-chan struct{}
	Stop(ctx context.Context) error
	Abandon()
}

// Detector finds by BFD that routers are gone.
type Detector interface {
	// Apply makes sessions those that there should be.
	Apply(sessions []bfd.Session)
	Updates() <-chan bfd.Update
}

// Discovery finds the routers of peers by interface.
type Discovery interface {
	// Apply makes interfaces those to look on.
	Apply(interfaces []string, state host.State)
	// Findings is what is known, by interface.
	Findings() map[string]discovery.Finding
	Changed() <-chan struct{}
}

// Inbound are the routes of this node's kernel that its routers send.
type Inbound interface {
	// Apply makes list what the kernel is to have. What an earlier process left
	// stays beside it until settled is true.
	Apply(list []announce.Way, settled bool)
	// Problems are what the kernel does not take, and why.
	Problems() []string
	Changed() <-chan struct{}
	// Remove takes them out for good.
	Remove() error
}

// reportStore keeps this node's SpeakerStatus.
type reportStore interface {
	WriteReport(ctx context.Context, r config.SpeakerReport) error
}

// eventSink takes events for users to see.
type eventSink interface {
	Event(ref config.Ref, uid string, warning bool, reason, message string)
}

// standing answers, when the process is told to stop, whether this node is to
// leave for good; why is for the log.
type standing interface {
	Leaves(ctx context.Context) (leave bool, why string)
}

// health takes what the readiness endpoint says.
type health interface {
	Ready(part string)
	NotReady(part, reason string)
}
