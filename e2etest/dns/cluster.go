package dns

import (
	"net/netip"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
)

// domain of the cluster.
const domain = ".svc.cluster.local"

// Cluster is the zone of a cluster's Services: SERVICE.NAMESPACE.svc.cluster.local
// is the ClusterIPs, or the ready endpoints of a headless Service.
type Cluster struct {
	Services corelisters.ServiceLister
	Slices   discoverylisters.EndpointSliceLister
}

// Lookup implements Zone.
func (c Cluster) Lookup(name string) ([]netip.Addr, bool) {
	short, ok := strings.CutSuffix(name, domain)
	if !ok {
		return nil, false
	}
	service, namespace, ok := strings.Cut(short, ".")
	if !ok || strings.Contains(namespace, ".") {
		return nil, false
	}
	svc, err := c.Services.Services(namespace).Get(service)
	if err != nil {
		return nil, false
	}
	if svc.Spec.ClusterIP == "None" {
		return c.endpoints(namespace, service), true
	}
	return parse(svc.Spec.ClusterIPs), true
}

func (c Cluster) endpoints(namespace, service string) []netip.Addr {
	selector := labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: service})
	slices, _ := c.Slices.EndpointSlices(namespace).List(selector) // a lister's cache does not fail
	var addrs []netip.Addr
	for _, slice := range slices {
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				addrs = append(addrs, parse(e.Addresses)...)
			}
		}
	}
	return addrs
}

func parse(texts []string) []netip.Addr {
	var addrs []netip.Addr
	for _, text := range texts {
		if addr, err := netip.ParseAddr(text); err == nil {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}
