package announce

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// Decide says what this node announces, and why not where it does not. It is
// a pure function of its input; its lists are sorted.
func Decide(in Input) Plan {
	v := newView(in)
	v.sortOut()
	v.decideLayer2()
	v.decideBGP()
	slices.SortFunc(v.plan.Silences, compareSilences)
	v.plan.Exceptions = v.exceptions()
	return v.plan
}

func compareSilences(a, b Silence) int {
	return cmp.Or(a.Service.Compare(b.Service), a.Addr.Compare(b.Addr),
		strings.Compare(a.Proto, b.Proto), strings.Compare(a.Reason, b.Reason),
		strings.Compare(a.Message, b.Message))
}

// view is one decision being made: the input, indexed.
type view struct {
	in    Input
	plan  Plan
	self  *config.Node
	dead  map[string]bool // nodes that membership calls dead
	nodes []candidate     // eligible as far as the node itself goes, by name
	index map[string]int  // name → place in nodes
	ads   []l2Ad
	mute  *Silence // why this node as a whole says nothing, or nil
	// leaving is set while this node hands over what it has.
	leaving bool
	joining bool // this node does not know the others yet

	wants     []want
	ownerless map[netip.Addr]bool // no node could announce it on the LAN
	places    []int               // of best
}

// want is one address of one Service that may be announced.
type want struct {
	svc   *config.Service
	addr  netip.Addr
	pool  *config.Pool
	l2    []int // advertisements (places in view.ads) that cover pool and Service
	bgp   []*config.BGPAdvertisement
	reach reach
}

func newView(in Input) *view {
	v := &view{in: in, dead: map[string]bool{}, index: map[string]int{}, ownerless: map[netip.Addr]bool{}}
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
	v.mute = v.muteSelf(known)
	return v
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

// sortOut finds the addresses that are ours to announce, and silences the rest.
func (v *view) sortOut() {
	for _, svc := range v.in.Snap.Services.All() {
		if svc.Type != config.LoadBalancer || !v.in.Classes.Serve(svc.Class) {
			continue
		}
		if len(svc.Addrs) == 0 {
			v.silence(svc.Key, netip.Addr{}, "", ReasonNoAddress, "the Service has no address yet")
			continue
		}
		reach := v.reachOf(svc)
		for _, addr := range svc.Addrs {
			v.sortOutAddr(want{svc: svc, addr: addr, reach: reach})
		}
	}
	slices.SortFunc(v.wants, func(a, b want) int {
		return cmp.Or(a.addr.Compare(b.addr), a.svc.Key.Compare(b.svc.Key))
	})
}

func (v *view) sortOutAddr(w want) {
	if w.pool = v.in.Snap.OurPool(w.svc, w.addr); w.pool == nil {
		v.silence(w.svc.Key, w.addr, "", ReasonNotAllowed, "the address lies in no pool or reservation of ours")
		return
	}
	for i := range v.ads {
		if v.ads[i].ad.Covers(w.pool, w.svc) {
			w.l2 = append(w.l2, i)
		}
	}
	for _, ad := range v.in.Snap.BGP {
		if ad.Covers(w.pool, w.svc) {
			w.bgp = append(w.bgp, ad)
		}
	}
	if len(w.l2) == 0 && len(w.bgp) == 0 {
		v.silence(w.svc.Key, w.addr, "", ReasonNoAdvertisement,
			"no advertisement covers pool "+w.pool.Name+" and this Service")
		return
	}
	v.wants = append(v.wants, w)
}

func (v *view) silence(svc config.Key, addr netip.Addr, proto, reason, message string) {
	v.plan.Silences = append(v.plan.Silences, Silence{svc, addr, proto, reason, message})
}

// exceptions are the silences that this node should tell the cluster of.
func (v *view) exceptions() (out []Silence) {
	spokesman := len(v.nodes) > 0 && v.nodes[0].name == v.in.Self
	for _, s := range v.plan.Silences {
		if s.Reason == ReasonNotOwner {
			continue // most are
		}
		rec, ok := v.in.Snap.Claims.Get(s.Addr)
		mine := ok && rec.Owner == v.in.Self && s.Proto == Layer2
		general := s.Reason == ReasonNoEndpoints || s.Proto == Layer2 && v.ownerless[s.Addr]
		if !mine && !(spokesman && general) {
			continue
		}
		if n := len(out); n == 0 || out[n-1].Service != s.Service || out[n-1].Addr != s.Addr {
			out = append(out, s)
		}
	}
	return out
}
