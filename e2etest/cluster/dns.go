package cluster

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/steelyard-lb/steelyard/e2etest/dns"
	"github.com/steelyard-lb/steelyard/e2etest/lab"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
)

// dnsPort is where the name server listens on the control plane's host. The
// Service kube-dns gives it port 53 within the cluster; clients outside use the
// port itself.
const dnsPort = 5353

// startDNS runs the name server and makes it the cluster's kube-dns: a Service
// without selector, whose endpoint is the control plane's host.
func (c *Cluster) startDNS(ctx context.Context) error {
	host, err := c.Lab.Host(planeName)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(c.streams, 0)
	zone := dns.Cluster{
		Services: factory.Core().V1().Services().Lister(),
		Slices:   factory.Discovery().V1().EndpointSlices().Lister(),
	}
	factory.Core().V1().Services().Informer()
	factory.Discovery().V1().EndpointSlices().Informer()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	for _, addr := range host.Addrs(lab.LAN) {
		var conn net.PacketConn
		var listener net.Listener
		err := host.Netns.Do(func() (err error) {
			at := netip.AddrPortFrom(addr, dnsPort).String()
			if conn, err = net.ListenPacket("udp", at); err == nil {
				listener, err = net.Listen("tcp", at)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("name server: %w", err)
		}
		go dns.Serve(conn, zone, &c.Outside)
		go dns.ServeTCP(listener, zone, &c.Outside)
		go func() { <-ctx.Done(); conn.Close(); listener.Close() }()
	}
	return c.publishDNS(ctx, host.Addrs(lab.LAN))
}

func (c *Cluster) publishDNS(ctx context.Context, servers []netip.Addr) error {
	dual := corev1.IPFamilyPolicyRequireDualStack
	_, err := c.Client.CoreV1().Services(metav1.NamespaceSystem).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "kube-dns", Labels: map[string]string{"k8s-app": "kube-dns"}},
		Spec: corev1.ServiceSpec{
			ClusterIP: dnsAddrs[0].String(), ClusterIPs: []string{dnsAddrs[0].String(), dnsAddrs[1].String()},
			IPFamilyPolicy: &dual, Ports: []corev1.ServicePort{
				{Name: "dns", Port: 53, Protocol: corev1.ProtocolUDP}, {Name: "dns-tcp", Port: 53, Protocol: corev1.ProtocolTCP},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("Service kube-dns: %w", err)
	}
	port := int32(dnsPort)
	udp, tcp := corev1.ProtocolUDP, corev1.ProtocolTCP
	byUDP, byTCP := "dns", "dns-tcp"
	for _, server := range servers {
		family := discoveryv1.AddressTypeIPv4
		if server.Is6() {
			family = discoveryv1.AddressTypeIPv6
		}
		_, err := c.Client.DiscoveryV1().EndpointSlices(metav1.NamespaceSystem).Create(ctx, &discoveryv1.EndpointSlice{
			ObjectMeta:  metav1.ObjectMeta{GenerateName: "kube-dns-", Labels: map[string]string{discoveryv1.LabelServiceName: "kube-dns"}},
			AddressType: family,
			Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{server.String()}}},
			Ports: []discoveryv1.EndpointPort{
				{Name: &byUDP, Port: &port, Protocol: &udp}, {Name: &byTCP, Port: &port, Protocol: &tcp},
			},
		}, metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("endpoints of kube-dns: %w", err)
		}
	}
	return nil
}

// Resolve asks the name server from a host of the lab, by "udp" (and by TCP when
// the answer is too long) or by "tcp" at once.
func (c *Cluster) Resolve(ctx context.Context, from, proto, name string) ([]netip.Addr, error) {
	asker, err := c.Lab.Host(from)
	if err != nil {
		return nil, err
	}
	plane, err := c.Lab.Host(planeName)
	if err != nil {
		return nil, err
	}
	server := netip.AddrPortFrom(plane.Addrs(lab.LAN)[0], dnsPort).String()
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (conn net.Conn, err error) {
		if proto == "tcp" {
			network = "tcp"
		}
		err = asker.Netns.Do(func() (err error) {
			conn, err = (&net.Dialer{}).DialContext(ctx, network, server)
			return err
		})
		return conn, err
	}}
	addrs, err := r.LookupNetIP(ctx, "ip", name+".")
	for i, addr := range addrs {
		addrs[i] = addr.Unmap()
	}
	return addrs, err
}
