package announce

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// view is what the decision about an address looks at beside that address, its
// Services and its record: the nodes, the configuration, this host. As long as
// it is the same, what was decided about other addresses holds.
type view struct {
	in    Input
	self  *config.Node
	dead  map[string]bool // nodes that membership calls dead
	nodes []candidate     // eligible as far as the node itself goes, by name
	index map[string]int  // name → place in nodes
	ads   []l2Ad
	peers []peering
	mute  *Silence // why this node as a whole says nothing, or nil
	// leaving is set while this node hands over what it has.
	leaving bool
	joining bool // this node does not know the others yet

	places []int // of best
}

func newView(in Input) *view {
	v := &view{in: in, dead: map[string]bool{}, index: map[string]int{}}
	v.self, _ = in.Snap.Nodes.Get(in.Self)
	usable := UsableLinks(in.Host, in.ExcludedLinks)
	known := false
	for i := range in.Members {
		m := in.Members[i]
		v.dead[m.Node] = m.Dead() && m.Node != in.Self
		if m.Node == in.Self {
			m.Links, known, v.leaving, v.joining = usable, true, m.Leaving, m.Joining
		}
		v.addCandidate(m)
	}
	slices.SortFunc(v.nodes, func(a, b candidate) int { return strings.Compare(a.name, b.name) })
	for i := range v.nodes {
		v.index[v.nodes[i].name] = i
	}
	v.ads = v.l2Ads(usable)
	v.peers = v.peerings()
	v.mute = v.muteSelf(known)
	return v
}

// on is the view of in, and whether all that was decided with v about an
// address that has not changed itself is true of in as well. v may be nil.
func (v *view) on(in Input) (*view, bool) {
	if v == nil || !v.in.sameSurroundings(in) {
		return newView(in), false
	}
	next := *v
	next.in, next.places = in, nil
	return &next, true
}

// sameSurroundings tells whether in and o differ at most in what belongs to
// single addresses: Services, endpoints, records, the forwarder's readiness,
// and what probes came to.
func (in Input) sameSurroundings(o Input) bool {
	s, t := in.Snap, o.Snap
	return config.Same(s.Nodes, t.Nodes) && config.Same(s.Speakers, t.Speakers) &&
		slices.Equal(s.Pools, t.Pools) && slices.Equal(s.Former, t.Former) &&
		slices.Equal(s.L2, t.L2) && slices.Equal(s.BGP, t.BGP) && slices.Equal(s.Peers, t.Peers) &&
		(in.Probes == nil) == (o.Probes == nil) && reflect.DeepEqual(in.rest(), o.rest())
}

// rest is in without what sameSurroundings looks at on its own or not at all.
func (in Input) rest() Input {
	in.Snap, in.Probes, in.Forward.Ready = nil, nil, Addrs{}
	return in
}

// muteSelf finds the reason for which this node must be silent about
// everything, or nil.
func (v *view) muteSelf(known bool) *Silence {
	why := func(reason, format string) *Silence {
		return &Silence{Reason: reason, Message: fmt.Sprintf(format, v.in.Self)}
	}
	switch n := v.self; {
	case n == nil:
		return why(ReasonNodeUnknown, "there is no Node object named %s")
	case !known:
		return why(ReasonNoMembership, "node %s is no member yet")
	case n.OutOfService:
		return why(ReasonOutOfService, "node %s has the out-of-service taint")
	case n.NetworkUnavailable:
		return why(ReasonNetworkUnavailable, "node %s has condition NetworkUnavailable")
	case n.Excluded() && !v.in.IgnoreExcludeLabel:
		return why(ReasonExcluded, "node %s has label "+config.ExcludeLabel)
	case v.leaving:
		return why(ReasonLeaving, "node %s is leaving")
	}
	return nil
}

// speaksForAll tells whether this node is the one that tells the cluster what
// all nodes see.
func (v *view) speaksForAll() bool { return len(v.nodes) > 0 && v.nodes[0].name == v.in.Self }
