package convert

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/steelyard-lb/steelyard/config"
)

// maxEndpoints is how many endpoints the API server takes in one slice.
const maxEndpoints = 1000

const (
	labelEndpointsManager = "endpoints.kubernetes.io/managed-by" // Kubernetes itself made them
	labelSkipMirror       = "endpointslice.kubernetes.io/skip-mirror"
	annotationTrigger     = "endpoints.kubernetes.io/last-change-trigger-time"
)

// convertEndpoints makes a slice of each part of hand-written Endpoints, by
// family: a slice has one family and one list of ports.
func convertEndpoints(about config.Ref, raw []byte) ([]any, []config.Problem, *config.Problem) {
	//lint:ignore SA1019 what is deprecated is what this is for
	old, fault := decode[corev1.Endpoints](about, raw)
	if fault != nil {
		return nil, nil, fault
	}
	w := &work{about: about}
	if old.Labels[labelEndpointsManager] != "" || old.Annotations[annotationTrigger] != "" {
		w.note("", "left as it is: Kubernetes made it from the selector of a Service", "leave it out, the cluster has its slices")
		return nil, w.notes, nil
	}
	s := slicer{owner: &old.ObjectMeta}
	for i, subset := range old.Subsets {
		field := fmt.Sprintf("subsets[%d]", i)
		endpoints := w.endpoints(field+".addresses", subset.Addresses, true)
		endpoints = append(endpoints, w.endpoints(field+".notReadyAddresses", subset.NotReadyAddresses, false)...)
		s.add(endpoints, ports(subset.Ports))
	}
	if len(s.slices) == 0 && w.fault == nil {
		w.refuse("subsets", "it has no addresses", "add those of the backends, or drop it")
	}
	if old.Labels[labelSkipMirror] != "true" {
		w.note("", "Kubernetes mirrors Endpoints of this name that are still in the cluster", "delete them once the slices are applied")
	}
	return w.done(s.slices...)
}

// endpoints are those of one list of addresses.
func (w *work) endpoints(field string, list []corev1.EndpointAddress, ready bool) []discoveryv1.Endpoint {
	out := make([]discoveryv1.Endpoint, 0, len(list))
	for i, a := range list {
		addr, err := netip.ParseAddr(a.IP)
		if err != nil || addr.Zone() != "" {
			w.refuse(fmt.Sprintf("%s[%d].ip", field, i), fmt.Sprintf("%q is no address", a.IP), "give the IPv4 or IPv6 address of the backend")
			continue
		}
		e := discoveryv1.Endpoint{Addresses: []string{addr.Unmap().String()}, Conditions: discoveryv1.EndpointConditions{Ready: &ready},
			NodeName: a.NodeName, TargetRef: a.TargetRef}
		if a.Hostname != "" {
			e.Hostname = &list[i].Hostname
		}
		out = append(out, e)
	}
	return out
}

func ports(list []corev1.EndpointPort) []discoveryv1.EndpointPort {
	out := make([]discoveryv1.EndpointPort, len(list))
	for i := range list {
		p := &list[i]
		protocol := p.Protocol
		if protocol == "" {
			protocol = corev1.ProtocolTCP
		}
		out[i] = discoveryv1.EndpointPort{Name: &p.Name, Port: &p.Port, Protocol: &protocol, AppProtocol: p.AppProtocol}
	}
	return out
}

// slicer makes the slices of one Endpoints object.
type slicer struct {
	owner  *metav1.ObjectMeta // of the Endpoints
	slices []any
}

func (s *slicer) add(endpoints []discoveryv1.Endpoint, ports []discoveryv1.EndpointPort) {
	byFamily := map[discoveryv1.AddressType][]discoveryv1.Endpoint{}
	for _, e := range endpoints {
		family := discoveryv1.AddressTypeIPv6
		if netip.MustParseAddr(e.Addresses[0]).Is4() {
			family = discoveryv1.AddressTypeIPv4
		}
		byFamily[family] = append(byFamily[family], e)
	}
	for _, family := range slices.Sorted(maps.Keys(byFamily)) {
		for part := range slices.Chunk(byFamily[family], maxEndpoints) {
			s.slices = append(s.slices, s.slice(family, part, ports))
		}
	}
}

// slice is labelled as the documentation of Kubernetes asks of slices that no
// controller manages.
func (s *slicer) slice(family discoveryv1.AddressType, endpoints []discoveryv1.Endpoint, ports []discoveryv1.EndpointPort) *discoveryv1.EndpointSlice {
	meta := *s.owner.DeepCopy()
	meta.Name = fmt.Sprintf("%s-%d", s.owner.Name, len(s.slices)+1)
	if meta.Labels == nil {
		meta.Labels = map[string]string{}
	}
	delete(meta.Labels, labelSkipMirror)
	meta.Labels[discoveryv1.LabelServiceName] = s.owner.Name
	meta.Labels[discoveryv1.LabelManagedBy] = "cluster-admins"
	return &discoveryv1.EndpointSlice{
		TypeMeta:    metav1.TypeMeta{APIVersion: discoveryv1.SchemeGroupVersion.String(), Kind: "EndpointSlice"},
		ObjectMeta:  meta,
		AddressType: family, Endpoints: endpoints, Ports: ports,
	}
}
