package kube

import (
	"maps"
	"reflect"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/translate"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// The methods here translate one object each. A marked object that is not in
// the view any more is gone.

func (b *builder) service(d *draft, key config.Key) {
	o, ok := get[translated[*config.Service]](b.view, kindServices, key)
	if ok && (o.value.Type != config.LoadBalancer || !b.opts.Classes.Serve(o.value.Class)) {
		o.problems = nil // not ours to comment on
	}
	b.note(d, config.Ref{Kind: config.KindService, Key: key}, o.problems)
	if old, had := d.services.table.Get(key); ok && had && b.opts.Parts&Conditions == 0 {
		same := *o.value
		if same.Conditions = old.Conditions; reflect.DeepEqual(old, &same) {
			return // it says something else of itself
		}
	}
	if d.services.put(key, o.value, ok) {
		d.serviceChanged(key)
	}
}

func (b *builder) endpoints(d *draft, key config.Key) {
	e := translate.Endpoints(key, group[*discoveryv1.EndpointSlice](b.view, kindSlices, key))
	if d.endpoints.put(key, e, e != nil) {
		d.serviceChanged(key)
	}
}

func (d *draft) serviceChanged(key config.Key) {
	d.dirty = true
	d.changed.Services = append(d.changed.Services, key)
}

func (b *builder) node(d *draft, key config.Key) {
	var n *config.Node
	o, ok := get[*corev1.Node](b.view, kindNodes, key)
	if ok {
		n = translate.Node(o)
	}
	old, had := d.nodes.table.Get(key.Name)
	if !d.nodes.put(key.Name, n, ok) {
		return
	}
	d.dirty = true
	d.changed.Nodes = append(d.changed.Nodes, key.Name)
	// pools are checked against addresses, peers are compared on common nodes
	d.configDirty = d.configDirty || ok != had || !slices.Equal(old.Addrs, n.Addrs) ||
		!slices.Equal(old.PodCIDRs, n.PodCIDRs) || !maps.Equal(old.Labels, n.Labels)
}

// namespace leaves out one that is being deleted: nothing can be made in it.
func (b *builder) namespace(d *draft, key config.Key) {
	var labels map[string]string
	o, ok := get[*corev1.Namespace](b.view, kindNamespaces, key)
	if ok = ok && o.DeletionTimestamp == nil; ok {
		labels = translate.Namespace(o)
	}
	if d.namespaces.put(key.Name, labels, ok) {
		d.dirty, d.changed.Config = true, true
	}
}

func (b *builder) claim(d *draft, key config.Key) {
	o, _ := get[translated[*config.L2Claim]](b.view, kindClaims, key)
	b.note(d, config.Ref{Kind: config.KindL2Claim, Key: key}, o.problems)
	addr, err := translate.ClaimedAddr(key.Name)
	if err != nil {
		return // a name that no claim has
	}
	if d.claims.put(addr, o.value, o.value != nil) {
		d.dirty = true
		d.changed.Claims = append(d.changed.Claims, addr)
	}
}

func (b *builder) speaker(d *draft, key config.Key) {
	var s *config.SpeakerStatus
	o, ok := get[*v1beta1.SpeakerStatus](b.view, kindSpeakers, key)
	if ok {
		s = translate.Speaker(o)
	}
	if d.speakers.put(key.Name, s, ok) {
		d.dirty = true
		d.changed.Nodes = append(d.changed.Nodes, key.Name)
	}
}

// reclassify finds our IngressClasses again and, if they changed, looks at
// every Ingress anew.
func (b *builder) reclassify(d *draft) {
	classes := translate.IngressClasses(list[*networkingv1.IngressClass](b.view, kindClasses), b.opts.IngressController)
	if classes.Equal(b.classes) {
		return
	}
	b.classes = classes
	for _, o := range list[*networkingv1.Ingress](b.view, kindIngresses) {
		b.ingress(d, config.Key{Namespace: o.Namespace, Name: o.Name})
	}
}

func (b *builder) ingress(d *draft, key config.Key) {
	var in *config.Ingress
	var problems []config.Problem
	if o, ok := get[*networkingv1.Ingress](b.view, kindIngresses, key); ok {
		in, problems = translate.Ingress(o, b.classes)
	}
	b.note(d, config.Ref{Kind: config.KindIngress, Key: key}, problems)
	if d.ingresses.put(key, in, in != nil) {
		d.dirty = true
		d.changed.Ingresses = append(d.changed.Ingresses, key)
	}
}

func (b *builder) report(d *draft, key config.Key) {
	o, ok := get[translated[*config.IngressReport]](b.view, kindReports, key)
	if d.reports.put(key, o.value, ok) {
		d.dirty = true
	}
}

// certificate also marks the Ingresses that name the Secret as changed.
func (b *builder) certificate(d *draft, key config.Key) {
	var c *config.Certificate
	var problems []config.Problem
	if o, ok := get[*corev1.Secret](b.view, kindCertificates, key); ok {
		c, problems = translate.Certificate(o)
	}
	b.note(d, config.Ref{Kind: config.KindSecret, Key: key}, problems)
	if !d.certificates.put(key, c, c != nil) {
		return
	}
	d.dirty = true
	for name, in := range d.ingresses.all() {
		if slices.ContainsFunc(in.TLS, func(t config.IngressTLS) bool { return t.Secret == key }) {
			d.changed.Ingresses = append(d.changed.Ingresses, name)
		}
	}
}

func (b *builder) order(d *draft, key config.Key) {
	o, _ := get[translated[*config.Order]](b.view, kindOrders, key)
	b.note(d, config.Ref{Kind: config.KindSecret, Key: key}, o.problems)
	if d.orders.put(key, o.value, o.value != nil) {
		d.dirty, d.changed.Orders = true, true
	}
}
