package failover

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
)

const (
	namespace = "bench"
	port      = 80
	// perSet is how many Services of a kind there are: enough that some node
	// answers for addresses of both families.
	perSet = 4
)

// The sets of Services: those whose endpoints the bench writes, all of them on
// nodes that stay, and those whose endpoints are the pods of all nodes.
const (
	chosenEnds = "web"
	allEnds    = "all"
)

// podTemplate is the template of an app's pods, whose answers take 2 ms.
func podTemplate(app string, grace int) string {
	return fmt.Sprintf(`  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      terminationGracePeriodSeconds: %[2]d
      containers:
      - name: hello
        image: steelyard.io/hello:lab
        args: ["-delay=2ms"]
        env:
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
        readinessProbe: {httpGet: {path: /readyz, port: 8080}, periodSeconds: 1}
---
`, app, grace)
}

// pods are one on every node.
var pods = `apiVersion: v1
kind: Namespace
metadata: {name: bench}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: web, namespace: bench}
spec:
` + podTemplate("web", 5)

// onLAN has addresses on the nodes' LAN.
var onLAN = poolOf(namespace, `172.30.40.1-172.30.40.20, "fd00:30::40:1-fd00:30::40:20"`) + onEth0(namespace)

// poolOf has addresses for the Services of a namespace, and its name.
func poolOf(space, addresses string) string {
	return fmt.Sprintf(`apiVersion: steelyard.io/v1beta1
kind: IPAddressPool
metadata: {name: %[1]s, namespace: steelyard-system}
spec:
  addresses: [%[2]s]
  serviceAllocation: {namespaces: [%[1]s]}
---
`, space, addresses)
}

// onEth0 announces the pool of that name on the LAN.
func onEth0(pool string) string {
	return fmt.Sprintf(`apiVersion: steelyard.io/v1beta1
kind: L2Advertisement
metadata: {name: %[1]s, namespace: steelyard-system}
spec:
  ipAddressPools: [%[1]s]
  interfaces: [eth0]
`, pool)
}

// one is a Service of a set, with what selects its pods.
const one = `---
apiVersion: v1
kind: Service
metadata: {name: %s-%d, namespace: bench}
spec:
  type: LoadBalancer
  allocateLoadBalancerNodePorts: false
  ipFamilyPolicy: RequireDualStack
  selector: %s
  ports: [{name: http, port: 80, targetPort: 8080}]
`

// deploy applies the objects of the bench: where its addresses are, and its
// Services.
func (w *world) deploy(place string) error {
	var text strings.Builder
	text.WriteString(pods + place)
	for i := range perSet {
		fmt.Fprintf(&text, one, chosenEnds, i, "{}")
		fmt.Fprintf(&text, one, allEnds, i, "{app: web}")
	}
	return w.apply("failover.yaml", text.String())
}

// apply applies a manifest.
func (w *world) apply(name, manifest string) error {
	path := filepath.Join(w.env.Dir, name)
	if err := os.WriteFile(path, []byte(manifest), 0o644); err != nil {
		return err
	}
	if _, err := w.cluster.Kubectl("apply", "-f", path); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// sendTo makes the pods on these nodes the endpoints of the chosen Services.
func (w *world) sendTo(ctx context.Context, nodes []string) error {
	pods, err := w.webPods(ctx)
	if err != nil {
		return err
	}
	for i := range perSet {
		for _, kind := range []discoveryv1.AddressType{discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6} {
			slice := sliceOf(fmt.Sprintf("%s-%d", chosenEnds, i), kind, pods, nodes)
			if err := w.putSlice(ctx, slice); err != nil {
				return fmt.Errorf("endpoints of %s: %w", slice.Name, err)
			}
		}
	}
	return nil
}

// webPods are the pods of all nodes.
func (w *world) webPods(ctx context.Context) ([]corev1.Pod, error) {
	pods, err := w.cluster.Client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=web"})
	if err != nil {
		return nil, fmt.Errorf("list pods of the bench: %w", err)
	}
	return pods.Items, nil
}

// sliceOf is the EndpointSlice of a Service with the pods on these nodes.
func sliceOf(service string, kind discoveryv1.AddressType, pods []corev1.Pod, nodes []string) *discoveryv1.EndpointSlice {
	name, target, yes := "http", int32(8080), true
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Name:   service + "-" + strings.ToLower(string(kind)),
			Labels: map[string]string{discoveryv1.LabelServiceName: service, discoveryv1.LabelManagedBy: "bench"},
		},
		AddressType: kind,
		Ports:       []discoveryv1.EndpointPort{{Name: &name, Port: &target}},
	}
	for _, pod := range pods {
		for _, ip := range pod.Status.PodIPs {
			addr, err := netip.ParseAddr(ip.IP)
			if err != nil || addr.Is4() != (kind == discoveryv1.AddressTypeIPv4) || !slices.Contains(nodes, pod.Spec.NodeName) {
				continue
			}
			slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
				Addresses: []string{ip.IP}, NodeName: &pod.Spec.NodeName,
				Conditions: discoveryv1.EndpointConditions{Ready: &yes},
			})
		}
	}
	return slice
}

func (w *world) putSlice(ctx context.Context, slice *discoveryv1.EndpointSlice) error {
	client := w.cluster.Client.DiscoveryV1().EndpointSlices(namespace)
	_, err := client.Update(ctx, slice, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		_, err = client.Create(ctx, slice, metav1.CreateOptions{})
	}
	return err
}

// addrsOf are the addresses of a set of Services, IPv4 first.
func (w *world) addrsOf(ctx context.Context, set string) ([]netip.Addr, error) {
	var out []netip.Addr
	for i := range perSet {
		addrs, err := w.bothAddrs(ctx, fmt.Sprintf("%s-%d", set, i))
		if err != nil {
			return nil, err
		}
		out = append(out, addrs...)
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out, nil
}

// bothAddrs are the addresses of a Service, one of each family, IPv4 first.
func (w *world) bothAddrs(ctx context.Context, service string) ([]netip.Addr, error) {
	addrs, err := w.cluster.ServiceAddrs(ctx, namespace, service)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	if len(addrs) != 2 || addrs[0].Is4() == addrs[1].Is4() {
		return nil, fmt.Errorf("Service %s has the addresses %v, want one of each family", service, addrs)
	}
	return addrs, nil
}

// await calls check until it returns nil, at most so long; the last error says
// what was seen.
func await(ctx context.Context, within time.Duration, check func() error) error {
	return bench.Await(ctx, within, 200*time.Millisecond, check)
}
