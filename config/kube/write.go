package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/translate"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// attempts bounds how often a write is tried again on the fresh object.
const attempts = 5

// object is the part of a JSON patch body that says which object is meant. The
// uid keeps a write away from a new object with an old name.
type object struct {
	UID             types.UID          `json:"uid,omitempty"`
	ResourceVersion string             `json:"resourceVersion,omitempty"`
	Annotations     map[string]*string `json:"annotations,omitempty"` // nil value: remove
}

// writeError puts what went wrong in the caller's terms: config.ErrGone,
// config.ErrConflict, config.ErrRefused, or as it is.
func writeError(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%s: %w (%w)", what, config.ErrGone, err)
	case apierrors.IsConflict(err):
		return fmt.Errorf("%s: %w (%w)", what, config.ErrConflict, err)
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err):
		return fmt.Errorf("%s: %w (%w)", what, config.ErrRefused, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// patchStatus sends a patch to the status of an object.
func patchStatus(ctx context.Context, c rest.Interface, how types.PatchType, plural string, key config.Key, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode patch: %w", err)
	}
	return c.Patch(how).NamespaceIfScoped(key.Namespace, key.Namespace != "").
		Resource(plural).Name(key.Name).SubResource("status").Body(data).Do(ctx).Error()
}

// PatchService writes status to the Service that svc is: addresses in order,
// the pool's annotation, and the condition that goes with them; nothing else on
// it changes. The usual case is one request. The error wraps config.ErrGone if
// svc is gone or another Service has its name by now.
func (c *Client) PatchService(ctx context.Context, svc *config.Service, status config.ServiceStatus) error {
	return c.writeService(ctx, svc, []string{config.ConditionAllocated}, func(known []*config.Condition) any {
		return serviceBody(svc.UID, status, known[0], metav1.Now())
	})
}

// PatchNotice writes the conditions that say who announces and who forwards svc;
// otherwise it is like [Client.PatchService].
func (c *Client) PatchNotice(ctx context.Context, svc *config.Service, notice config.Notice) error {
	return c.writeService(ctx, svc, []string{config.ConditionAnnounced, config.ConditionForwarding}, func(known []*config.Condition) any {
		status := map[string]any{}
		setCondition(status, notice.Announced, known[0], metav1.Now())
		setCondition(status, notice.Forwarding, known[1], metav1.Now())
		return map[string]any{"metadata": object{UID: types.UID(svc.UID)}, "status": status}
	})
}

// writeService sends what body makes of the conditions of those names that svc is
// known to have, nil where it has none.
func (c *Client) writeService(ctx context.Context, svc *config.Service, names []string, body func(known []*config.Condition) any) error {
	known := conditionsOf(svc.Conditions, names)
	what := "write status of Service " + svc.Key.String()
	for range attempts {
		var wrote *corev1.Service
		if slices.ContainsFunc(known, func(c *config.Condition) bool { return c != nil }) {
			wrote = &corev1.Service{}
		}
		err := c.patchService(ctx, svc, body(known), wrote)
		if err == nil && forgetTimeless(known, names, wrote) {
			continue // a condition was not there any more: say since when it is
		}
		if !apierrors.IsConflict(err) && !apierrors.IsInvalid(err) {
			return writeError(what, err)
		}
		// The uid is another one, or what we know of the condition is old: look.
		fresh := &corev1.Service{}
		if err := c.core.Get().Namespace(svc.Namespace).Resource("services").Name(svc.Name).Do(ctx).Into(fresh); err != nil {
			return writeError(what, err)
		}
		if string(fresh.UID) != svc.UID {
			return fmt.Errorf("%s: %w: another one has its name", what, config.ErrGone)
		}
		now, _ := translate.Service(fresh)
		if apierrors.IsInvalid(err) && slices.EqualFunc(known, conditionsOf(now.Conditions, names), sameCondition) {
			return writeError(what, err) // it is not that: the API server refuses the content
		}
		known = conditionsOf(now.Conditions, names)
	}
	return fmt.Errorf("%s: %w", what, config.ErrConflict)
}

// patchService reads the answer into wrote; nil spares the work.
func (c *Client) patchService(ctx context.Context, svc *config.Service, body any, wrote *corev1.Service) error {
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode patch: %w", err)
	}
	answer := c.core.Patch(types.StrategicMergePatchType).Namespace(svc.Namespace).Resource("services").
		Name(svc.Name).SubResource("status").Body(data).Do(ctx)
	if wrote == nil {
		return answer.Error()
	}
	return answer.Into(wrote)
}

// forgetTimeless takes those conditions for unknown that wrote has without a
// transition time, and tells whether there were any.
func forgetTimeless(known []*config.Condition, names []string, wrote *corev1.Service) (any bool) {
	for i, name := range names {
		if known[i] != nil && timeless(wrote, name) {
			known[i], any = nil, true
		}
	}
	return any
}

// timeless tells whether that condition has no transition time: it was left
// out, since the condition was thought to be there. That cannot be if svc is nil.
func timeless(svc *corev1.Service, condition string) bool {
	if svc == nil {
		return false
	}
	for i := range svc.Status.Conditions {
		if c := &svc.Status.Conditions[i]; c.Type == condition {
			return c.LastTransitionTime.IsZero()
		}
	}
	return false
}

// conditionsOf are the conditions of those names, in their order.
func conditionsOf(list []config.Condition, names []string) []*config.Condition {
	out := make([]*config.Condition, len(names))
	for i, name := range names {
		if at := slices.IndexFunc(list, func(c config.Condition) bool { return c.Type == name }); at >= 0 {
			out[i] = &list[at]
		}
	}
	return out
}

func sameCondition(a, b *config.Condition) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// serviceBody is a strategic merge patch: conditions merge by their type, so
// those of others stay.
func serviceBody(uid string, s config.ServiceStatus, known *config.Condition, now metav1.Time) any {
	var pool *string
	if s.Pool != "" {
		pool = &s.Pool
	}
	type ingress struct {
		IP   string        `json:"ip"`
		Mode config.IPMode `json:"ipMode,omitempty"`
	}
	var ips []ingress // nil is null and removes the list
	for _, a := range s.Addrs {
		ips = append(ips, ingress{a.String(), s.Mode})
	}
	status := map[string]any{"loadBalancer": map[string]any{"ingress": ips}}
	setCondition(status, s.Condition, known, now)
	return map[string]any{
		"metadata": object{UID: types.UID(uid), Annotations: map[string]*string{translate.AnnotationAllocatedFrom: pool}},
		"status":   status,
	}
}

// setCondition puts what makes known into c, or removes it, into a strategic
// merge patch of a status.
func setCondition(status map[string]any, c, known *config.Condition, now metav1.Time) {
	list, _ := status["conditions"].([]any)
	switch {
	case c != nil:
		status["conditions"] = append(list, conditionBody(*c, known, now))
	case known != nil:
		status["conditions"] = append(list, map[string]string{"type": known.Type, "$patch": "delete"})
	}
}

// conditionBody leaves the transition time of a condition alone unless its
// status changes.
func conditionBody(c config.Condition, known *config.Condition, now metav1.Time) map[string]any {
	body := map[string]any{"type": c.Type, "status": conditionStatus(c.Status), "reason": c.Reason, "message": c.Message}
	if known == nil || known.Type != c.Type || known.Status != c.Status {
		body["lastTransitionTime"] = now
	}
	return body
}

func conditionStatus(ok bool) metav1.ConditionStatus {
	if ok {
		return metav1.ConditionTrue
	}
	return metav1.ConditionFalse
}

// PatchIngress writes addrs, in order, to the status of the Ingress that in
// is; none clears it.
func (c *Client) PatchIngress(ctx context.Context, in *config.Ingress, addrs []netip.Addr) error {
	var list []networkingv1.IngressLoadBalancerIngress
	for _, a := range addrs {
		list = append(list, networkingv1.IngressLoadBalancerIngress{IP: a.String()})
	}
	body := map[string]any{
		"metadata": object{UID: types.UID(in.UID)},
		"status":   map[string]any{"loadBalancer": map[string]any{"ingress": list}},
	}
	err := patchStatus(ctx, c.networking, types.MergePatchType, "ingresses", in.Key, body)
	what := "write status of Ingress " + in.Key.String()
	if apierrors.IsInvalid(err) || apierrors.IsConflict(err) {
		fresh := &networkingv1.Ingress{}
		if got := c.networking.Get().Namespace(in.Namespace).Resource("ingresses").Name(in.Name).Do(ctx).Into(fresh); got != nil {
			return writeError(what, got)
		}
		if string(fresh.UID) != in.UID {
			return fmt.Errorf("%s: %w: another one has its name", what, config.ErrGone)
		}
	}
	return writeError(what, err)
}

// ListServices reads all Services as they truly are, not as a cache may have
// them: what a new leader must know before it decides anything.
func (c *Client) ListServices(ctx context.Context) ([]*config.Service, error) {
	var list corev1.ServiceList
	if err := c.core.Get().Resource("services").Do(ctx).Into(&list); err != nil {
		return nil, fmt.Errorf("list Services: %w", err)
	}
	out := make([]*config.Service, 0, len(list.Items))
	for i := range list.Items {
		svc, _ := translate.Service(&list.Items[i])
		out = append(out, svc)
	}
	return out, nil
}

// ListReservations reads all IPReservations as they truly are, like
// [Client.ListServices]. Those that cannot be read are left out.
func (c *Client) ListReservations(ctx context.Context) ([]*config.Reservation, error) {
	var list v1beta1.IPReservationList
	if err := c.steelyard.Get().Resource(reservations).Do(ctx).Into(&list); err != nil {
		return nil, fmt.Errorf("list IPReservations: %w", err)
	}
	out := make([]*config.Reservation, 0, len(list.Items))
	for i := range list.Items {
		if r, _ := translate.Reservation(&list.Items[i]); r != nil {
			out = append(out, r)
		}
	}
	return out, nil
}
