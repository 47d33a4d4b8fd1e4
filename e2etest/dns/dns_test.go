package dns

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"
)

// resolver asks a server of these zones as any Go program does.
func resolver(t *testing.T, zones ...Zone) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go Serve(conn, zones...)
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("udp", conn.LocalAddr().String())
	}}
}

func clusterZone(t *testing.T) Cluster {
	t.Helper()
	services := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	slices := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	for name, ips := range map[string][]string{"web": {"10.96.0.7", "fd00:10:96::7"}, "headless": {"None"}} {
		services.Add(&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
			Spec:       corev1.ServiceSpec{ClusterIP: ips[0], ClusterIPs: ips},
		})
	}
	no := false
	slices.Add(&discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "headless-x", Labels: map[string]string{discoveryv1.LabelServiceName: "headless"}},
		Endpoints: []discoveryv1.Endpoint{
			{Addresses: []string{"10.244.0.5"}},
			{Addresses: []string{"10.244.0.6"}, Conditions: discoveryv1.EndpointConditions{Ready: &no}},
		},
	})
	return Cluster{corelisters.NewServiceLister(services), discoverylisters.NewEndpointSliceLister(slices)}
}

func TestNames(t *testing.T) {
	var outside Table
	outside.Set("Example.com", netip.MustParseAddr("198.51.100.1"))
	outside.Set("*.apps.example.com", netip.MustParseAddr("2001:db8::1"))
	r := resolver(t, clusterZone(t), &outside)
	for name, want := range map[string][]string{
		"web.shop.svc.cluster.local.":      {"10.96.0.7", "fd00:10:96::7"},
		"headless.shop.svc.cluster.local.": {"10.244.0.5"},
		"EXAMPLE.com.":                     {"198.51.100.1"},
		"a.apps.example.com.":              {"2001:db8::1"},
		"nosuch.shop.svc.cluster.local.":   nil,
		"a.b.apps.example.com.":            nil,
	} {
		got, err := r.LookupHost(t.Context(), name)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v (%v), want %v", name, got, err, want)
		}
		if dnsErr, ok := err.(*net.DNSError); want == nil && (!ok || !dnsErr.IsNotFound) {
			t.Errorf("%s: %v, want not found", name, err)
		}
	}
	outside.Set("example.com")
	if got, err := r.LookupHost(t.Context(), "example.com."); err == nil {
		t.Errorf("a name that was removed still has %v", got)
	}
}
