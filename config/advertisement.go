package config

import (
	"net/netip"
	"time"
)

// PoolChoice is what L2 and BGP advertisements have in common: which pools,
// Services and nodes they are about. Empty pools and selectors mean every
// pool; empty node selectors every node; empty service selectors every Service.
type PoolChoice struct {
	Pools            []string
	PoolSelectors    []Selector
	NodeSelectors    []Selector
	ServiceSelectors []Selector
}

// Picks tells whether the choice covers Service svc, with an address of pool,
// on node.
func (c *PoolChoice) Picks(pool *Pool, svc *Service, node *Node) bool {
	return c.Covers(pool, svc) && c.PicksNode(node)
}

// Covers tells whether the choice covers Service svc, with an address of pool,
// on some nodes.
func (c *PoolChoice) Covers(pool *Pool, svc *Service) bool {
	return c.PicksPool(pool) && (len(c.ServiceSelectors) == 0 || AnyMatches(c.ServiceSelectors, svc.Labels))
}

// PicksPool tells whether the choice covers pool.
func (c *PoolChoice) PicksPool(pool *Pool) bool {
	if len(c.Pools) == 0 && len(c.PoolSelectors) == 0 {
		return true
	}
	for _, name := range c.Pools {
		if name == pool.Name {
			return true
		}
	}
	return AnyMatches(c.PoolSelectors, pool.Labels)
}

// PicksNode tells whether the choice covers node.
func (c *PoolChoice) PicksNode(node *Node) bool {
	return len(c.NodeSelectors) == 0 || AnyMatches(c.NodeSelectors, node.Labels)
}

// L2Advertisement is a valid L2Advertisement.
type L2Advertisement struct {
	Name string
	PoolChoice
	Interfaces []string // exact names; none means all
	// Preferred puts nodes in order, see [L2Advertisement.Weight].
	Preferred     []Preference
	RequireSubnet bool // only nodes with an interface on the address's subnet
	// Refresh is the time between two unasked announcements; 0: none.
	Refresh  time.Duration
	OnReturn bool // rebalance: OnReturn
}

// DefaultRefresh is below the five minutes after which bridges and switches
// forget an address (IEEE 802.1D).
const DefaultRefresh = time.Minute

// Preference gives a weight to the nodes it matches.
type Preference struct {
	Weight int // 1 to 100
	Node   Selector
}

// Weight is the sum of the weights of the preferences that match node. Nodes
// with a greater one come first.
func (a *L2Advertisement) Weight(node *Node) int {
	sum := 0
	for _, p := range a.Preferred {
		if p.Node.Matches(node.Labels) {
			sum += p.Weight
		}
	}
	return sum
}

// BGPAdvertisement is a valid BGPAdvertisement.
type BGPAdvertisement struct {
	Name string
	PoolChoice
	Peers       []string // BGPPeer names; none means all
	Length4     uint8    // aggregationLength, default 32
	Length6     uint8    // aggregationLengthV6, default 128
	LocalPref   uint32   // 0: not set
	MED         uint32   // 0: not set
	Prepend     uint8    // asPathPrepend
	Weighted    bool     // weightByLocalEndpoints
	Communities []uint32
	Large       []LargeCommunity
}

// LargeCommunity is a BGP large community (RFC 8092).
type LargeCommunity struct{ Global, Local1, Local2 uint32 }

// Peer is a valid BGPPeer.
type Peer struct {
	Name            string
	MyASN           uint32
	PeerASN         uint32     // 0 with Dynamic set
	Dynamic         string     // dynamicASN: "", internal or external
	Addr            netip.Addr // invalid with Interface set
	Interface       string     // of the node, at whose other end the router is found (unnumbered); "": it has an Addr
	Port            uint16     // default 179
	Source          netip.Addr
	VRF             string     // device of the VRF that the session runs in; "": the default one
	RouterID        netip.Addr // invalid: derived from the node
	HoldTime        time.Duration
	KeepaliveTime   time.Duration
	ConnectTime     time.Duration
	MultiHop        bool
	Passive         bool       // the router connects, to Port at Source
	Hops            uint8      // ttlSecurity; 0: off
	LocalASN        uint32     // 0: MyASN
	MaxPrefixes     uint32     // of one family; 0: no limit
	ToReceive       []Received // what of the router's is used; none: nothing
	OneFamily       bool       // only routes of the family of Addr
	Password        string
	GracefulRestart bool
	LongLived       time.Duration // longLivedGracefulRestart; 0: off
	NodeSelectors   []Selector
	BFD             *BFDProfile // bfdProfile; nil: not watched
}

// Listener is where p's router is waited for; invalid if it is not.
func (p *Peer) Listener() netip.AddrPort {
	addr := p.Source.Unmap()
	switch {
	case !p.Passive:
		return netip.AddrPort{}
	case addr.IsValid():
	case p.Addr.Unmap().Is4():
		addr = netip.IPv4Unspecified()
	default:
		addr = netip.IPv6Unspecified()
	}
	return netip.AddrPortFrom(addr, p.Port)
}

// ASN is the AS number that p is shown as this side's.
func (p *Peer) ASN() uint32 {
	if p.LocalASN != 0 {
		return p.LocalASN
	}
	return p.MyASN
}

// Internal tells whether p is a router of our own AS (iBGP).
func (p *Peer) Internal() bool { return p.PeerASN == p.ASN() || p.Dynamic == "internal" }

// Carries tells whether routes to addr may be offered to p.
func (p *Peer) Carries(addr netip.Addr) bool {
	return !p.OneFamily || addr.Unmap().Is4() == p.Addr.Unmap().Is4()
}

// PicksNode tells whether node peers with p.
func (p *Peer) PicksNode(node *Node) bool {
	return len(p.NodeSelectors) == 0 || AnyMatches(p.NodeSelectors, node.Labels)
}
