package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"
)

// resolver asks a server of these zones as any Go program does: by UDP, and by
// TCP when the answer does not fit. With tcp it asks by TCP at once. The counter
// tells how many questions came by TCP.
func resolver(t *testing.T, tcp bool, zones ...Zone) (*net.Resolver, *atomic.Int32) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go Serve(conn, zones...)
	go ServeTCP(listener, zones...)
	var byTCP atomic.Int32
	return &net.Resolver{PreferGo: true, Dial: func(_ context.Context, network, _ string) (net.Conn, error) {
		if tcp || network == "tcp" {
			byTCP.Add(1)
			return net.Dial("tcp", listener.Addr().String())
		}
		return net.Dial("udp", conn.LocalAddr().String())
	}}, &byTCP
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
	for _, tcp := range []bool{false, true} {
		t.Run(fmt.Sprintf("tcp=%v", tcp), func(t *testing.T) { testNames(t, tcp) })
	}
}

func testNames(t *testing.T, tcp bool) {
	var outside Table
	outside.Set("Example.com", netip.MustParseAddr("198.51.100.1"))
	outside.Set("*.apps.example.com", netip.MustParseAddr("2001:db8::1"))
	r, byTCP := resolver(t, tcp, clusterZone(t), &outside)
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
	if tcp != (byTCP.Load() > 0) {
		t.Errorf("%d questions came by TCP", byTCP.Load())
	}
}

// TestLongAnswer has more addresses than fit into a datagram: the client is told
// so, asks again by TCP, and gets them all.
func TestLongAnswer(t *testing.T) {
	var outside Table
	var want []netip.Addr
	for i := range 120 {
		want = append(want, netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}))
	}
	outside.Set("many.example.com", want...)
	outside.Set("few.example.com", want[:40]...)
	r, byTCP := resolver(t, false, &outside)
	for name, n := range map[string]int{"few.example.com.": 40, "many.example.com.": 120} {
		got, err := r.LookupNetIP(t.Context(), "ip4", name)
		if err != nil || len(got) != n {
			t.Errorf("%s: %d addresses (%v), want %d", name, len(got), err, n)
		}
	}
	if byTCP.Load() != 1 {
		t.Errorf("%d questions came by TCP, want that for the long answer alone", byTCP.Load())
	}
}

func TestDatagramSize(t *testing.T) {
	for _, said := range []uint16{0, 100, 1232} {
		builder := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: 1})
		var header dnsmessage.ResourceHeader
		if said > 0 {
			if err := errors.Join(header.SetEDNS0(int(said), dnsmessage.RCodeSuccess, false), builder.StartAdditionals(), builder.OPTResource(header, dnsmessage.OPTResource{})); err != nil {
				t.Fatal(err)
			}
		}
		query, err := builder.Finish()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := datagramSize(query), max(512, int(said)); got != want {
			t.Errorf("a client that says %d takes %d, want %d", said, got, want)
		}
	}
}
