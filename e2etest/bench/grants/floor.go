package grants

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// form is the status that the controller gave to a Service, as the model of
// what the peer writes: the same fields, only another address.
type form struct {
	addr        string
	annotations map[string]string
	ingress     corev1.LoadBalancerIngress
	conditions  []metav1.Condition
}

// formOf takes the form from a Service that the controller has served.
func formOf(svc *corev1.Service) (form, error) {
	if len(svc.Status.LoadBalancer.Ingress) != 1 {
		return form{}, fmt.Errorf("Service %s has %d addresses, not one", svc.Name, len(svc.Status.LoadBalancer.Ingress))
	}
	f := form{annotations: svc.Annotations, ingress: svc.Status.LoadBalancer.Ingress[0], conditions: svc.Status.Conditions}
	f.addr = f.ingress.IP
	return f, nil
}

// patch is the strategic merge patch that gives addr to the Service with that
// uid.
func (f form) patch(uid types.UID, addr string, now time.Time) ([]byte, error) {
	ingress := f.ingress
	ingress.IP = addr
	conditions := make([]metav1.Condition, len(f.conditions))
	for i, c := range f.conditions {
		c.Message = strings.ReplaceAll(c.Message, f.addr, addr)
		c.LastTransitionTime = metav1.NewTime(now)
		conditions[i] = c
	}
	return json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": uid, "annotations": f.annotations},
		"status": map[string]any{
			"loadBalancer": map[string]any{"ingress": []any{ingress}},
			"conditions":   conditions,
		},
	})
}

// floor is the peer: a client that writes statuses itself.
type floor struct {
	world *world
	form  form
	next  netip.Addr
}

// newFloor makes a peer that writes what the controller writes. It has the
// controller serve one Service, to see what that is.
func (w *world) newFloor(ctx context.Context) (*floor, error) {
	c, err := w.lead(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.stop(); err != nil {
		return nil, err
	}
	svc, err := w.admin.CoreV1().Services(namespace).Get(ctx, canary, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	f := &floor{world: w}
	if f.form, err = formOf(svc); err != nil {
		return nil, err
	}
	prefix := netip.MustParsePrefix(poolRange)
	middle := prefix.Addr().As4()
	middle[prefix.Bits()/8] |= 0x80
	f.next = netip.AddrFrom4(middle)
	return f, nil
}

// take is an address that nobody has.
func (f *floor) take() string {
	f.next = f.next.Next()
	return f.next.String()
}

// give writes the status of a Service.
func (f *floor) give(ctx context.Context, svc *corev1.Service, addr string) error {
	body, err := f.form.patch(svc.UID, addr, time.Now())
	if err != nil {
		return err
	}
	_, err = f.world.writer.CoreV1().Services(namespace).Patch(ctx, svc.Name, types.StrategicMergePatchType, body, metav1.PatchOptions{}, "status")
	return err
}

// canary is the Service by which a controller shows that it leads.
const canary = "canary"

// patience is how long a Service may wait for its address before the bench
// gives up.
const patience = 2 * time.Minute

// lead starts the controller and returns when it has served a new Service.
func (w *world) lead(ctx context.Context) (*controller, error) {
	services := w.admin.CoreV1().Services(namespace)
	if err := services.Delete(ctx, canary, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return nil, err
	}
	c, err := w.startController()
	if err != nil {
		return nil, err
	}
	seen := w.watcher.expect(canary)
	if _, err := w.create(ctx, canary, corev1.ServiceTypeLoadBalancer); err != nil {
		return nil, fmt.Errorf("%w; %w", err, c.stop())
	}
	if _, err := w.watcher.await(ctx, seen, time.Minute); err != nil {
		return nil, fmt.Errorf("the controller does not lead: %w; its log ends with:\n%s", err, c.proc.Tail(5))
	}
	return c, c.ended()
}
