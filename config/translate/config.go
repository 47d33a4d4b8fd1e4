package translate

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Objects are the API objects that configure Steelyard, with what they are
// checked against. Any of them may be missing.
type Objects struct {
	Namespace   string // Steelyard's own; objects elsewhere are not used
	Pools       []*v1beta1.IPAddressPool
	L2          []*v1beta1.L2Advertisement
	BGP         []*v1beta1.BGPAdvertisement
	BFD         []*v1beta1.BFDProfile
	Peers       []*v1beta1.BGPPeer
	Communities []*v1beta1.Community
	Secrets     map[config.Key]*corev1.Secret // for the passwords of peers

	Nodes         []*config.Node // their addresses and Pod ranges may not be in a pool
	ServiceRanges []netip.Prefix // nor may the ClusterIPs
}

// Settings are the valid configuration, every list sorted by name, and the
// Problems of the rest, sorted.
type Settings struct {
	Pools       []*config.Pool
	L2          []*config.L2Advertisement
	BGP         []*config.BGPAdvertisement
	BFD         []*config.BFDProfile
	Peers       []*config.Peer
	Communities []*config.Community
	Problems    []config.Problem
}

// Config translates the objects together. Where two of them collide, the
// younger one loses, by creation time and then by name, so that a newcomer
// never takes anything away from what works.
func Config(in Objects) Settings {
	b := &assembly{in: in}
	b.pools()
	b.profiles()
	b.peers()
	b.l2()
	b.communities()
	b.bgp()
	byName(b.out.Pools, func(p *config.Pool) string { return p.Name })
	byName(b.out.BFD, func(p *config.BFDProfile) string { return p.Name })
	byName(b.out.Peers, func(p *config.Peer) string { return p.Name })
	byName(b.out.Communities, func(c *config.Community) string { return c.Name })
	byName(b.out.L2, func(a *config.L2Advertisement) string { return a.Name })
	byName(b.out.BGP, func(a *config.BGPAdvertisement) string { return a.Name })
	sortProblems(b.out.Problems)
	return b.out
}

func byName[T any](list []T, name func(T) string) {
	slices.SortFunc(list, func(a, b T) int { return strings.Compare(name(a), name(b)) })
}

// assembly is one run of Config.
type assembly struct {
	in  Objects
	out Settings
}

func (b *assembly) note(problems []config.Problem) {
	b.out.Problems = append(b.out.Problems, problems...)
}

// ours gives the objects of Steelyard's own namespace, oldest first, and notes
// the others.
func ours[T metav1.Object](b *assembly, kind config.Kind, list []T) []T {
	var out []T
	for _, o := range list {
		if o.GetNamespace() == b.in.Namespace {
			out = append(out, o)
			continue
		}
		f := faultsOf(kind, o)
		f.add("metadata.namespace", ReasonWrongNamespace, "create it in namespace "+b.in.Namespace,
			"Steelyard reads these objects in its own namespace %q only", b.in.Namespace)
		b.note(f.problems)
	}
	slices.SortStableFunc(out, func(a, o T) int {
		if c := a.GetCreationTimestamp().Compare(o.GetCreationTimestamp().Time); c != 0 {
			return c
		}
		return strings.Compare(a.GetName(), o.GetName())
	})
	return out
}

func (b *assembly) pools() {
	cluster := takenRanges(b.in.Nodes, b.in.ServiceRanges)
	var g given
	for _, o := range ours(b, config.KindIPAddressPool, b.in.Pools) {
		p, problems := Pool(o)
		b.note(problems)
		if p == nil {
			continue
		}
		f := faultsOf(config.KindIPAddressPool, o)
		if g.admit(f, p, cluster) {
			b.out.Pools = append(b.out.Pools, p)
		}
		b.note(f.problems)
	}
}

func (b *assembly) peers() {
	for _, o := range ours(b, config.KindBGPPeer, b.in.Peers) {
		p, problems := Peer(o, b.in.Secrets)
		b.note(problems)
		if p == nil {
			continue
		}
		if older, node := b.samePeer(p); older != nil {
			f := faultsOf(config.KindBGPPeer, o)
			field, router := "spec.peerAddress", p.Addr.String()
			if p.Interface != "" {
				field, router = "spec.interface", "the one on interface "+p.Interface
			}
			f.add(field, ReasonConflict, "remove one of them or let their nodeSelectors choose different nodes",
				"%v port %d is also the router of BGPPeer %s, which is older, on Node %s", router, p.Port, older.Name, node)
			b.note(f.problems)
			continue
		}
		if older, node := b.sameListener(p); older != nil {
			f := faultsOf(config.KindBGPPeer, o)
			f.add("spec.passive", ReasonConflict, "give each of them a sourceAddress or a peerPort of its own",
				"BGPPeer %s, which is older, waits for its router at %v on Node %s too", older.Name, older.Listener(), node)
			b.note(f.problems)
			continue
		}
		f := faultsOf(config.KindBGPPeer, o)
		b.watch(f, p, o.Spec.BFDProfile)
		b.note(f.problems)
		b.out.Peers = append(b.out.Peers, p)
	}
}

// samePeer finds an older peer for the same router on a node of p's. One address
// is another router's in another VRF.
func (b *assembly) samePeer(p *config.Peer) (*config.Peer, string) {
	return b.beside(p, func(o *config.Peer) bool {
		return o.Addr == p.Addr && o.Interface == p.Interface && o.VRF == p.VRF && o.Port == p.Port
	})
}

// sameListener finds an older peer whose router comes in by the same door: two
// can do so only at addresses of their own, or in VRFs of their own.
func (b *assembly) sameListener(p *config.Peer) (*config.Peer, string) {
	door := p.Listener()
	return b.beside(p, func(o *config.Peer) bool {
		other := o.Listener()
		if o.VRF != p.VRF || !door.IsValid() || !other.IsValid() || door.Port() != other.Port() || door.Addr().Is4() != other.Addr().Is4() {
			return false
		}
		return door == other || door.Addr().IsUnspecified() || other.Addr().IsUnspecified()
	})
}

// beside finds an older peer that is like p, on a node of p's.
func (b *assembly) beside(p *config.Peer, like func(*config.Peer) bool) (*config.Peer, string) {
	for _, o := range b.out.Peers {
		if !like(o) {
			continue
		}
		for _, n := range b.in.Nodes {
			if o.PicksNode(n) && p.PicksNode(n) {
				return o, n.Name
			}
		}
	}
	return nil, ""
}

func (b *assembly) l2() {
	for _, o := range ours(b, config.KindL2Advertisement, b.in.L2) {
		a, problems := L2Advertisement(o)
		b.note(problems)
		if a == nil {
			continue
		}
		f := faultsOf(config.KindL2Advertisement, o)
		b.checkPools(f, a.Pools)
		b.note(f.problems)
		b.out.L2 = append(b.out.L2, a)
	}
}

// checkPools notes names of pools that are not there. The name stays in the
// advertisement: dropping the last one would make it mean every pool.
func (b *assembly) checkPools(f *faults, names []string) {
	for i, name := range names {
		used := slices.ContainsFunc(b.out.Pools, func(p *config.Pool) bool { return p.Name == name })
		exists := slices.ContainsFunc(b.in.Pools, func(o *v1beta1.IPAddressPool) bool {
			return o.Name == name && o.Namespace == b.in.Namespace
		})
		checkName(f, "spec.ipAddressPools", i, "IPAddressPool", name, used, exists)
	}
}
