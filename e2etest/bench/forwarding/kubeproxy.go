package forwarding

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench/load"
	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// kubeProxyPatience is what kube-proxy gets until its Services are answered.
const kubeProxyPatience = 10 * time.Minute

// errNoAnswer is wrapped when kube-proxy has not forwarded in time.
var errNoAnswer = errors.New("no answer in 10 min")

// modes are kube-proxy's own names.
var modes = map[forwarder]string{nftables: "nftables", iptables: "iptables"}

// runKubeProxy has kube-proxy write its rules, and stops it: the rules stay.
func (b *bed) runKubeProxy(ctx context.Context, w *way, s setup) (err error) {
	kcp, err := lab.Tool("kcp")
	if err != nil {
		return err
	}
	url, api, err := serveAPI(w, objectsOf(w, s.services))
	if err != nil {
		return err
	}
	defer api.Close()
	kubeconfig := filepath.Join(b.dir, w.router.Name+".kubeconfig")
	if err := writeKubeconfig(kubeconfig, url); err != nil {
		return err
	}
	p, err := proc.Start(w.router, b.logs(), proc.Spec{Name: w.router.Name + "-kube-proxy", Argv: []string{
		kcp, "kube-proxy", "--kubeconfig", kubeconfig, "--hostname-override", nodeName, "--proxy-mode", modes[s.by],
		"--cluster-cidr", "10.0.0.0/8", "--conntrack-max-per-core", "0", // the value is the host's, read-only in a namespace
	}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Kill()) }()
	ended := false
	err = await(ctx, kubeProxyPatience, string(s.by), func() error {
		select {
		case <-p.Done():
			ended = true
			return nil
		default:
			return b.answered(ctx, w, s.services, 0)
		}
	})
	switch {
	case ended:
		return fmt.Errorf("%s ended: %s", s.by, p.Tail(3))
	case ctx.Err() != nil: // called off, which is no answer to anything
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("%w: %w: %s", errNoAnswer, err, p.Tail(3))
	}
	return nil
}

// serveAPI serves objects within the router's namespace.
func serveAPI(w *way, objects http.Handler) (url string, api *http.Server, err error) {
	var listener net.Listener
	err = w.router.Do(func() (err error) {
		listener, err = net.Listen("tcp", "127.0.0.1:0")
		return err
	})
	if err != nil {
		return "", nil, fmt.Errorf("API server for kube-proxy: %w", err)
	}
	api = &http.Server{Handler: objects, ReadHeaderTimeout: 10 * time.Second}
	go api.Serve(listener) // until it is closed
	return "http://" + listener.Addr().String(), api, nil
}

func writeKubeconfig(path, url string) error {
	const name = "bench"
	file := clientcmdapi.NewConfig()
	file.Clusters[name] = &clientcmdapi.Cluster{Server: url}
	file.Contexts[name] = &clientcmdapi.Context{Cluster: name}
	file.CurrentContext = name
	if err := clientcmd.WriteToFile(*file, path); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return os.Chmod(path, 0o644)
}

// nodeName is the node that kube-proxy takes the router for.
const nodeName = "node"

// objectsOf are the Services of a way as kube-proxy wants them: each with one
// endpoint on this node, and policy Local, so that the client's address is kept.
func objectsOf(w *way, services int) *api {
	a := &api{nodes: []corev1.Node{{
		ObjectMeta: metav1.ObjectMeta{Name: nodeName, ResourceVersion: "1"},
		Status:     corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "172.20.0.1"}}},
	}}}
	vip, pod, inner := w.vips, w.pods, netip.MustParseAddr("172.22.0.1")
	for i := range services {
		name := fmt.Sprintf("s-%05d", i)
		a.services = append(a.services, serviceOf(name, vip, inner))
		a.slices = append(a.slices, sliceOf(name, pod))
		vip, pod, inner = vip.Next(), pod.Next(), inner.Next()
	}
	return a
}

// ports are those of the answering end.
var ports = []corev1.ServicePort{
	{Name: "echo", Protocol: corev1.ProtocolTCP, Port: load.EchoPort},
	{Name: "source", Protocol: corev1.ProtocolTCP, Port: load.SourcePort},
	{Name: "udp", Protocol: corev1.ProtocolUDP, Port: load.UDPPort},
}

func serviceOf(name string, vip, inner netip.Addr) corev1.Service {
	single, internal, mode := corev1.IPFamilyPolicySingleStack, corev1.ServiceInternalTrafficPolicyCluster, corev1.LoadBalancerIPModeVIP
	return corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "bench", UID: types.UID(name), ResourceVersion: "1"},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeLoadBalancer, ClusterIP: inner.String(), ClusterIPs: []string{inner.String()},
			IPFamilies: []corev1.IPFamily{corev1.IPv4Protocol}, IPFamilyPolicy: &single,
			ExternalTrafficPolicy: corev1.ServiceExternalTrafficPolicyLocal, InternalTrafficPolicy: &internal,
			SessionAffinity: corev1.ServiceAffinityNone, Ports: ports,
		},
		Status: corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{
			Ingress: []corev1.LoadBalancerIngress{{IP: vip.String(), IPMode: &mode}},
		}},
	}
}

func sliceOf(name string, pod netip.Addr) discoveryv1.EndpointSlice {
	node, yes := nodeName, true
	slice := discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "bench", ResourceVersion: "1", Labels: map[string]string{discoveryv1.LabelServiceName: name},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints: []discoveryv1.Endpoint{{
			Addresses: []string{pod.String()}, NodeName: &node,
			Conditions: discoveryv1.EndpointConditions{Ready: &yes, Serving: &yes},
		}},
	}
	for i := range ports {
		p := &ports[i]
		slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{Name: &p.Name, Protocol: &p.Protocol, Port: &p.Port})
	}
	return slice
}
