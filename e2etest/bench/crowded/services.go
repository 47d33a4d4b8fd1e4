package crowded

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/steelyard-lb/steelyard/e2etest/scenario"
)

const (
	crowd      = 10_000
	endpoints  = 10 // of each Service
	writers    = 16
	port       = 80
	targetPort = 8080
	// changed is the Service whose only endpoint is replaced again and again.
	changed = "changed"
)

// vip is the address of the i-th Service; changed is the last.
func vip(i int) netip.Addr {
	b := vips.Addr().As4()
	return netip.AddrFrom4([4]byte{b[0], b[1], byte(i >> 8), byte(i)})
}

// pod is the n-th address of an endpoint.
func pod(n int) netip.Addr {
	b := podNet.Addr().As4()
	return netip.AddrFrom4([4]byte{b[0], b[1] + byte(n>>16), byte(n >> 8), byte(n)})
}

// fill makes all Services, their endpoints and their addresses.
func (w *world) fill(ctx context.Context) error {
	begin := time.Now()
	if err := w.makePool(ctx); err != nil {
		return err
	}
	group, each := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for i := range crowd {
		group.Go(func() error {
			var ends []netip.Addr
			for j := range endpoints {
				ends = append(ends, pod(i*endpoints+j))
			}
			return w.make(each, fmt.Sprintf("s-%05d", i), vip(i), ends)
		})
	}
	group.Go(func() error { return w.make(each, changed, vip(crowd), []netip.Addr{pod(crowd * endpoints)}) })
	if err := group.Wait(); err != nil {
		return fmt.Errorf("make the Services: %w", err)
	}
	w.env.Say("%d Services with %d endpoints each made in %.0f s", crowd, endpoints, time.Since(begin).Seconds())
	return nil
}

func (w *world) makePool(ctx context.Context) error {
	pool := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "steelyard.io/v1beta1", "kind": "IPAddressPool",
		"metadata": map[string]any{"name": namespace, "namespace": scenario.System},
		"spec":     map[string]any{"addresses": []any{vips.String()}},
	}}
	return w.makeObject(ctx, "ipaddresspools", pool)
}

func (w *world) makeObject(ctx context.Context, resource string, object *unstructured.Unstructured) error {
	kind := schema.GroupVersionResource{Group: "steelyard.io", Version: "v1beta1", Resource: resource}
	_, err := w.setup.Cluster.Dynamic.Resource(kind).Namespace(scenario.System).Create(ctx, object, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}

// make makes one Service with an address, as the controller writes it.
func (w *world) make(ctx context.Context, name string, addr netip.Addr, ends []netip.Addr) error {
	if _, err := w.admin.DiscoveryV1().EndpointSlices(namespace).Create(ctx, sliceOf(name, ends), metav1.CreateOptions{}); err != nil {
		return err
	}
	no := false
	svc, err := w.admin.CoreV1().Services(namespace).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeLoadBalancer, AllocateLoadBalancerNodePorts: &no,
			Ports: []corev1.ServicePort{{Name: "http", Port: port}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	mode := corev1.LoadBalancerIPModeProxy
	svc.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: addr.String(), IPMode: &mode}}
	_, err = w.admin.CoreV1().Services(namespace).UpdateStatus(ctx, svc, metav1.UpdateOptions{})
	return err
}

// sliceOf has endpoints on ten other nodes.
func sliceOf(service string, ends []netip.Addr) *discoveryv1.EndpointSlice {
	name, target, yes := "http", int32(targetPort), true
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: service, Labels: map[string]string{
			discoveryv1.LabelServiceName: service, discoveryv1.LabelManagedBy: "bench"}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &name, Port: &target}},
	}
	for i, end := range ends {
		node := fmt.Sprint("far", i)
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{end.String()}, NodeName: &node,
			Conditions: discoveryv1.EndpointConditions{Ready: &yes, Serving: &yes},
		})
	}
	return slice
}
