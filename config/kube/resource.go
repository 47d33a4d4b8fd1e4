package kube

import (
	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/translate"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
)

// Parts is the set of things that a process wants to know of the cluster.
type Parts uint

// The parts of a snapshot. Config is pools, advertisements and peers with their
// BFD profiles and the Secrets of Steelyard's namespace that hold their
// passwords, and the Service ranges, which Ranges is alone; Ingresses include their classes. Conditions
// are those of Services: without that part a Service whose conditions alone
// change counts as unchanged.
const (
	Services Parts = 1 << iota
	Endpoints
	Nodes
	Namespaces
	Config
	Reservations
	Claims
	Speakers
	Ingresses
	Certificates
	Orders
	Conditions
	Reports
	Ranges
)

// What each process needs; its RBAC rules grant exactly this.
const (
	ControllerParts = Services | Conditions | Nodes | Namespaces | Config | Reservations | Claims | Speakers | Ingresses | Certificates | Orders | Reports
	SpeakerParts    = Services | Endpoints | Nodes | Config | Reservations | Claims
	IngressParts    = Services | Endpoints | Ingresses | Certificates | Orders | Nodes | Ranges
	// RebalanceParts are what steelyard rebalance decides from.
	RebalanceParts = Services | Endpoints | Nodes | Config | Reservations | Claims | Speakers
)

// kind is one watched resource. Kinds are translated in this order.
type kind int

const (
	kindClasses kind = iota // before the Ingresses that refer to them
	kindNodes
	kindNamespaces
	kindServices
	kindSlices
	kindIngresses
	kindCertificates
	kindOrders
	kindReports
	kindReservations
	kindClaims
	kindSpeakers
	kindPools
	kindL2
	kindBGP
	kindPeers
	kindBFD
	kindCommunities
	kindPasswords
	kindServiceCIDRs
	kindRead // no resource: [Source.Refresh] was done
)

// resource says how to watch one kind and what to keep of it.
type resource struct {
	kind   kind
	part   Parts
	plural string
	object runtime.Object
	rest   func(*Client) rest.Interface
	own    bool   // only in Steelyard's own namespace
	fields string // field selector
	// optional: an API server that does not have it is fine.
	optional bool
	// cut drops what translation does not use; nil keeps everything.
	cut func(metav1.Object)
	// keep translates an object right when it arrives, so that it need not be
	// kept itself: for kinds of which there are thousands and whose objects are
	// translated by themselves alone.
	keep func(metav1.Object) any
	// group is what an object is translated together with; nil: by itself.
	group func(any) (config.Key, bool)
}

func restCore(c *Client) rest.Interface       { return c.core }
func restDiscovery(c *Client) rest.Interface  { return c.discovery }
func restNetworking(c *Client) rest.Interface { return c.networking }
func restOurs(c *Client) rest.Interface       { return c.steelyard }

// resources are all that Steelyard watches.
var resources = []*resource{
	{kind: kindServices, part: Services, plural: "services", object: &corev1.Service{}, rest: restCore, keep: keepOf(translate.Service)},
	{kind: kindSlices, part: Endpoints, plural: "endpointslices", object: &discoveryv1.EndpointSlice{},
		rest: restDiscovery, cut: cutSlice, group: sliceGroup},
	{kind: kindNodes, part: Nodes, plural: "nodes", object: &corev1.Node{}, rest: restCore, cut: cutNode},
	{kind: kindNamespaces, part: Namespaces, plural: "namespaces", object: &corev1.Namespace{}, rest: restCore, cut: cutNamespace},

	{kind: kindPools, part: Config, plural: "ipaddresspools", object: &v1beta1.IPAddressPool{}, rest: restOurs, cut: cutAnnotations},
	{kind: kindL2, part: Config, plural: "l2advertisements", object: &v1beta1.L2Advertisement{}, rest: restOurs, cut: cutAnnotations},
	{kind: kindBGP, part: Config, plural: "bgpadvertisements", object: &v1beta1.BGPAdvertisement{}, rest: restOurs, cut: cutAnnotations},
	{kind: kindPeers, part: Config, plural: "bgppeers", object: &v1beta1.BGPPeer{}, rest: restOurs, cut: cutAnnotations},
	{kind: kindBFD, part: Config, plural: "bfdprofiles", object: &v1beta1.BFDProfile{}, rest: restOurs, cut: cutAnnotations},
	{kind: kindCommunities, part: Config, plural: "communities", object: &v1beta1.Community{}, rest: restOurs, cut: cutAnnotations},
	// Not only those of the right type, so that a Secret of the wrong type can
	// be named as such; Helm's own, which are large, stay out.
	{kind: kindPasswords, part: Config, plural: "secrets", object: &corev1.Secret{}, rest: restCore, own: true,
		fields: "type!=helm.sh/release.v1", cut: cutPassword},
	{kind: kindServiceCIDRs, part: Config | Ranges, plural: "servicecidrs", object: &networkingv1.ServiceCIDR{},
		rest: restNetworking, optional: true, cut: cutAnnotations}, // since Kubernetes 1.33

	{kind: kindReservations, part: Reservations, plural: "ipreservations", object: &v1beta1.IPReservation{},
		rest: restOurs, keep: keepOf(translate.Reservation)},
	{kind: kindReports, part: Reports, plural: ingressReports, object: &v1beta1.IngressReport{}, rest: restOurs, keep: keepOf(translate.IngressReport)},
	{kind: kindClaims, part: Claims, plural: "l2claims", object: &v1beta1.L2Claim{}, rest: restOurs, keep: keepOf(translate.Claim)},
	{kind: kindSpeakers, part: Speakers, plural: "speakerstatuses", object: &v1beta1.SpeakerStatus{}, rest: restOurs, cut: cutSpeaker},

	{kind: kindIngresses, part: Ingresses, plural: "ingresses", object: &networkingv1.Ingress{}, rest: restNetworking, cut: cutIngress},
	{kind: kindClasses, part: Ingresses, plural: "ingressclasses", object: &networkingv1.IngressClass{}, rest: restNetworking},
	{kind: kindCertificates, part: Certificates, plural: "secrets", object: &corev1.Secret{}, rest: restCore,
		fields: "type=" + string(corev1.SecretTypeTLS), cut: cutCertificate},
	{kind: kindOrders, part: Orders, plural: "secrets", object: &corev1.Secret{}, rest: restCore, own: true,
		fields: "type=" + string(translate.SecretTypeOrder), keep: keepOf(translate.Order)},
}

// translated is an object in our own words, with the faults in it.
type translated[V any] struct {
	value    V
	problems []config.Problem
}

// keepOf is the keep of what that function translates.
func keepOf[O metav1.Object, V any](translate func(O) (V, []config.Problem)) func(metav1.Object) any {
	return func(o metav1.Object) any {
		obj, ok := o.(O)
		if !ok {
			return nil // never: a reflector brings what it was made for
		}
		value, problems := translate(obj)
		return translated[V]{value, problems}
	}
}

func sliceGroup(o any) (config.Key, bool) {
	s, ok := o.(*discoveryv1.EndpointSlice)
	if !ok {
		return config.Key{}, false
	}
	return translate.ServiceOf(s)
}
