package kube

import (
	"cmp"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/translate"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// builder makes the next snapshot out of the one before and what is marked. It
// reads objects from its view and does nothing else.
type builder struct {
	view     view
	opts     WatchOptions
	snap     *config.Snapshot // nil before the first
	classes  translate.Classes
	binders  binders
	problems map[config.Ref][]config.Problem // of objects translated one by one
	settings []config.Problem                // of those translated together
}

func newBuilder(v view, o WatchOptions) *builder {
	return &builder{view: v, opts: o, binders: binders{}, problems: map[config.Ref][]config.Problem{}}
}

// build returns the next snapshot, or nil if nothing has changed that matters.
func (b *builder) build(marked []mark) *config.Snapshot {
	d := newDraft(b.snap)
	for _, m := range marked {
		b.translate(d, m)
	}
	if d.configDirty || b.snap == nil {
		b.configure(d)
	}
	if d.problemsDirty {
		d.next.Problems = b.allProblems()
		d.dirty = true
	}
	if !d.dirty && b.snap != nil {
		return nil
	}
	b.snap = d.finish(b.snap == nil)
	return b.snap
}

// translate brings one marked object into the draft.
func (b *builder) translate(d *draft, m mark) {
	switch m.kind {
	case kindServices:
		b.service(d, m.key)
	case kindSlices:
		b.endpoints(d, m.key)
	case kindNodes:
		b.node(d, m.key)
	case kindNamespaces:
		b.namespace(d, m.key)
	case kindReports:
		b.report(d, m.key)
	case kindReservations:
		b.reservation(d, m.key)
	case kindClaims:
		b.claim(d, m.key)
	case kindSpeakers:
		b.speaker(d, m.key)
	case kindClasses:
		b.reclassify(d)
	case kindIngresses:
		b.ingress(d, m.key)
	case kindCertificates:
		b.certificate(d, m.key)
	case kindOrders:
		b.order(d, m.key)
	case kindServiceCIDRs:
		if ranges := b.serviceRanges(); !slices.Equal(ranges, d.next.ServiceRanges) {
			d.next.ServiceRanges, d.dirty = ranges, true
		}
		d.configDirty = true
	case kindRead:
		d.next.Fresh, d.dirty = m.read, true
	default: // pools, advertisements, peers and what they refer to
		d.configDirty = true
	}
}

// configure translates all that is translated together. Values that are equal
// to those of the snapshot before stay the same pointers.
func (b *builder) configure(d *draft) {
	if b.opts.Parts&Config == 0 {
		return
	}
	in := translate.Objects{
		Namespace: b.opts.Namespace,
		Pools:     list[poolObject](b.view, kindPools), L2: list[l2Object](b.view, kindL2),
		BGP: list[bgpObject](b.view, kindBGP), Peers: list[peerObject](b.view, kindPeers),
		BFD: list[bfdObject](b.view, kindBFD), Communities: list[commObject](b.view, kindCommunities),
		Secrets: map[config.Key]*corev1.Secret{}, ServiceRanges: b.serviceRanges(),
	}
	for _, s := range list[*corev1.Secret](b.view, kindPasswords) {
		in.Secrets[config.Key{Namespace: s.Namespace, Name: s.Name}] = s
	}
	for _, n := range d.nodes.all() {
		in.Nodes = append(in.Nodes, n)
	}
	slices.SortFunc(in.Nodes, func(a, b *config.Node) int { return strings.Compare(a.Name, b.Name) })
	out := translate.Config(in)
	next := d.next
	pools := next.Pools
	changed := share(&next.Pools, out.Pools, func(p *config.Pool) string { return p.Name })
	if changed {
		next.Former = config.Former(next.Former, pools, next.Pools)
	}
	changed = share(&next.L2, out.L2, func(a *config.L2Advertisement) string { return a.Name }) || changed
	changed = share(&next.BGP, out.BGP, func(a *config.BGPAdvertisement) string { return a.Name }) || changed
	changed = share(&next.BFD, out.BFD, func(p *config.BFDProfile) string { return p.Name }) || changed
	changed = share(&next.Communities, out.Communities, func(c *config.Community) string { return c.Name }) || changed
	changed = share(&next.Peers, out.Peers, func(p *config.Peer) string { return p.Name }) || changed
	if changed {
		d.dirty, d.changed.Config = true, true
	}
	if !reflect.DeepEqual(b.settings, out.Problems) {
		b.settings, d.problemsDirty = out.Problems, true
	}
}

// serviceRanges are the ranges of ClusterIPs, as far as the cluster tells.
func (b *builder) serviceRanges() []netip.Prefix {
	var out []netip.Prefix
	for _, o := range list[*networkingv1.ServiceCIDR](b.view, kindServiceCIDRs) {
		for _, s := range o.Spec.CIDRs {
			if p, err := netip.ParsePrefix(s); err == nil {
				out = append(out, p)
			}
		}
	}
	return out
}

// share replaces *to by next, keeping the old pointer where the values are
// equal, and tells whether anything differs.
func share[T any](to *[]*T, next []*T, name func(*T) string) bool {
	old := map[string]*T{}
	for _, v := range *to {
		old[name(v)] = v
	}
	for i, v := range next {
		if o := old[name(v)]; o != nil && reflect.DeepEqual(o, v) {
			next[i] = o
		}
	}
	changed := !slices.Equal(*to, next)
	*to = next
	return changed
}

// note keeps the Problems of one object.
func (b *builder) note(d *draft, ref config.Ref, problems []config.Problem) {
	if len(problems) == 0 && len(b.problems[ref]) == 0 || reflect.DeepEqual(b.problems[ref], problems) {
		return
	}
	d.problemsDirty = true
	if len(problems) == 0 {
		delete(b.problems, ref)
		return
	}
	b.problems[ref] = problems
}

func (b *builder) allProblems() []config.Problem {
	all := slices.Clone(b.settings)
	for _, ref := range slices.Collect(maps.Keys(b.problems)) {
		all = append(all, b.problems[ref]...)
	}
	slices.SortStableFunc(all, func(x, y config.Problem) int {
		return cmp.Or(strings.Compare(string(x.Object.Kind), string(y.Object.Kind)), x.Object.Key.Compare(y.Object.Key),
			strings.Compare(x.Field, y.Field), strings.Compare(x.Message, y.Message))
	})
	return all
}
