package cluster

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// ServiceAddrs are the addresses published in a Service's status.
func (c *Cluster) ServiceAddrs(ctx context.Context, namespace, name string) ([]netip.Addr, error) {
	svc, err := c.Client.CoreV1().Services(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	for _, ingress := range svc.Status.LoadBalancer.Ingress {
		addr, err := netip.ParseAddr(ingress.IP)
		if err != nil {
			return nil, fmt.Errorf("status of Service %s/%s: %w", namespace, name, err)
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

// PodNode is the node a pod is bound to.
func (c *Cluster) PodNode(ctx context.Context, namespace, name string) (string, error) {
	pod, err := c.Client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	return pod.Spec.NodeName, nil
}

// pods lists the ready pods of a selector that are not being deleted.
func (c *Cluster) pods(ctx context.Context, namespace, selector string) ([]corev1.Pod, error) {
	list, err := c.Client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, err
	}
	var ready []corev1.Pod
	for _, pod := range list.Items {
		for _, cond := range pod.Status.Conditions {
			if cond.Type == corev1.PodReady && cond.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil {
				ready = append(ready, pod)
			}
		}
	}
	return ready, nil
}

// ReadyPods counts the ready pods of a selector.
func (c *Cluster) ReadyPods(ctx context.Context, namespace, selector string) (int, error) {
	pods, err := c.pods(ctx, namespace, selector)
	return len(pods), err
}

// ReadyPod returns one ready pod of a selector.
func (c *Cluster) ReadyPod(ctx context.Context, namespace, selector string) (*corev1.Pod, error) {
	pods, err := c.pods(ctx, namespace, selector)
	if err != nil {
		return nil, err
	}
	if len(pods) == 0 {
		return nil, fmt.Errorf("no pod with %s in %s is ready", selector, namespace)
	}
	return &pods[0], nil
}

// PodsOf checks that a node runs pods of a namespace, and that every one of them
// is ready and was started after a moment.
func (c *Cluster) PodsOf(ctx context.Context, node, namespace string, since time.Time) error {
	pods, err := c.Client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node})
	if err != nil {
		return err
	}
	for _, pod := range pods.Items {
		for _, status := range pod.Status.ContainerStatuses {
			running := status.State.Running
			// The API keeps seconds.
			if !status.Ready || running == nil || running.StartedAt.Time.Before(since.Truncate(time.Second)) {
				return fmt.Errorf("%s of pod %s on %s is not ready", status.Name, pod.Name, node)
			}
		}
	}
	if len(pods.Items) == 0 {
		return fmt.Errorf("%s runs no pod of %s", node, namespace)
	}
	return nil
}

// Events are the events about an object, in any namespace; kind in any case.
func (c *Cluster) Events(ctx context.Context, kind, name string) ([]corev1.Event, error) {
	list, err := c.Client.CoreV1().Events("").List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=" + name})
	if err != nil {
		return nil, err
	}
	var events []corev1.Event
	for _, e := range list.Items {
		if strings.EqualFold(e.InvolvedObject.Kind, kind) {
			events = append(events, e)
		}
	}
	return events, nil
}

// Condition is one condition of an object's status.
type Condition struct {
	Type, Status, Reason, Message string
}

// resources of the kinds whose conditions scenarios look at.
var resources = map[string]schema.GroupVersionResource{
	"service":          {Version: "v1", Resource: "services"},
	"pod":              {Version: "v1", Resource: "pods"},
	"node":             {Version: "v1", Resource: "nodes"},
	"deployment":       {Group: "apps", Version: "v1", Resource: "deployments"},
	"ingress":          {Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"},
	"ipaddresspool":    {Group: "steelyard.io", Version: "v1beta1", Resource: "ipaddresspools"},
	"ipreservation":    {Group: "steelyard.io", Version: "v1beta1", Resource: "ipreservations"},
	"l2advertisement":  {Group: "steelyard.io", Version: "v1beta1", Resource: "l2advertisements"},
	"bgppeer":          {Group: "steelyard.io", Version: "v1beta1", Resource: "bgppeers"},
	"bfdprofile":       {Group: "steelyard.io", Version: "v1beta1", Resource: "bfdprofiles"},
	"community":        {Group: "steelyard.io", Version: "v1beta1", Resource: "communities"},
	"bgpadvertisement": {Group: "steelyard.io", Version: "v1beta1", Resource: "bgpadvertisements"},
}

// Conditions reads status.conditions of an object.
func (c *Cluster) Conditions(ctx context.Context, namespace, kind, name string) ([]Condition, error) {
	resource, ok := resources[strings.ToLower(kind)]
	if !ok {
		return nil, fmt.Errorf("no resource known for kind %q", kind)
	}
	client := c.Dynamic.Resource(resource)
	var object *unstructured.Unstructured
	var err error
	if kind = strings.ToLower(kind); kind == "node" {
		object, err = client.Get(ctx, name, metav1.GetOptions{})
	} else {
		object, err = client.Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	}
	if err != nil {
		return nil, err
	}
	list, _, err := unstructured.NestedSlice(object.Object, "status", "conditions")
	if err != nil {
		return nil, fmt.Errorf("status of %s/%s: %w", kind, name, err)
	}
	var conditions []Condition
	for _, item := range list {
		fields, _ := item.(map[string]any) // anything else reads as empty
		text := func(key string) string { s, _ := fields[key].(string); return s }
		conditions = append(conditions, Condition{text("type"), text("status"), text("reason"), text("message")})
	}
	return conditions, nil
}

// Endpoints counts the ready endpoints of a Service in its EndpointSlices.
func (c *Cluster) Endpoints(ctx context.Context, namespace, service string) (int, error) {
	slices, err := c.Client.DiscoveryV1().EndpointSlices(namespace).List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + service})
	if err != nil {
		return 0, err
	}
	ready := 0
	for _, slice := range slices.Items {
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				ready++
			}
		}
	}
	return ready, nil
}
