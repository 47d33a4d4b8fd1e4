package failover

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

const (
	crowdSize    = 1000
	crowdSpace   = "crowd"
	crowdWriters = 16
	// crowdPatience is what a thousand Services get to be served or to move.
	crowdPatience = 5 * time.Minute
)

// crowdPool has the addresses of the crowd.
var crowdPool = netip.MustParsePrefix("172.30.48.0/22")

var crowdManifest = `apiVersion: v1
kind: Namespace
metadata: {name: crowd}
---
` + poolOf(crowdSpace, crowdPool.String()) + onEth0(crowdSpace)

// gather makes the crowd, if it is not there yet: 1,000 Services with an IPv4
// address each, no node ports, and the pods of all nodes as written endpoints.
func (w *world) gather(ctx context.Context) error {
	if w.crowd != nil {
		return nil
	}
	if err := w.apply("crowd.yaml", crowdManifest); err != nil {
		return err
	}
	pods, err := w.webPods(ctx)
	if err != nil {
		return err
	}
	group, each := errgroup.WithContext(ctx)
	group.SetLimit(crowdWriters)
	for i := range crowdSize {
		group.Go(func() error { return w.addToCrowd(each, fmt.Sprintf("c-%04d", i), pods) })
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("make the crowd: %w", err)
	}
	w.env.Say("%d Services made", crowdSize)
	if err := await(ctx, crowdPatience, func() error { return w.crowdAt(ctx, "") }); err != nil {
		return fmt.Errorf("the crowd is not served: %w", err)
	}
	if err := await(ctx, crowdPatience, func() error { return w.crowdTold(ctx) }); err != nil {
		return fmt.Errorf("the crowd does not know that it is served: %w", err)
	}
	w.env.Say("%d Services announced", crowdSize)
	all, err := w.claimed(ctx)
	for addr := range all {
		if crowdPool.Contains(addr) {
			w.crowd = append(w.crowd, addr)
		}
	}
	return err
}

func (w *world) addToCrowd(ctx context.Context, name string, pods []corev1.Pod) error {
	no := false
	slice := sliceOf(name, discoveryv1.AddressTypeIPv4, pods, w.lab.Nodes())
	if _, err := w.cluster.Client.DiscoveryV1().EndpointSlices(crowdSpace).Create(ctx, slice, metav1.CreateOptions{}); err != nil {
		return err
	}
	_, err := w.cluster.Client.CoreV1().Services(crowdSpace).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeLoadBalancer, AllocateLoadBalancerNodePorts: &no,
			Ports: []corev1.ServicePort{{Name: "http", Port: port}},
		},
	}, metav1.CreateOptions{})
	return err
}

// crowdAt is nil if every address of the crowd is claimed, by the node if one is
// named.
func (w *world) crowdAt(ctx context.Context, node string) error {
	all, err := w.claimed(ctx)
	if err != nil {
		return err
	}
	n := 0
	for addr, c := range all {
		if crowdPool.Contains(addr) && (node == "" || c.owner == node) {
			n++
		}
	}
	if n != crowdSize {
		return fmt.Errorf("%d of %d addresses are claimed by %q", n, crowdSize, node)
	}
	return nil
}

// crowdTold is nil if every Service of the crowd has the condition Announced:
// until then the API server has news, which cost processor time everywhere.
func (w *world) crowdTold(ctx context.Context) error {
	all, err := w.cluster.Client.CoreV1().Services(crowdSpace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	n := 0
	for _, s := range all.Items {
		if meta.IsStatusConditionTrue(s.Status.Conditions, "steelyard.io/Announced") {
			n++
		}
	}
	if n != crowdSize {
		return fmt.Errorf("%d of %d Services are announced", n, crowdSize)
	}
	return nil
}

var advertisements = schema.GroupVersionResource{Group: "steelyard.io", Version: "v1beta1", Resource: "l2advertisements"}

// crowdMay lets the crowd be announced by one node alone, or by all for "".
func (w *world) crowdMay(ctx context.Context, node string) error {
	body := `{"spec":{"nodeSelectors":[]}}`
	if node != "" {
		body = fmt.Sprintf(`{"spec":{"nodeSelectors":[{"matchLabels":{"kubernetes.io/hostname":%q}}]}}`, node)
	}
	_, err := w.cluster.Dynamic.Resource(advertisements).Namespace("steelyard-system").
		Patch(ctx, crowdSpace, types.MergePatchType, []byte(body), metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("advertisement of the crowd: %w", err)
	}
	return nil
}
