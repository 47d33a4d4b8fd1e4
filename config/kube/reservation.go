package kube

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/translate"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const reservations = "ipreservations"

// PutReservation makes the managed IPReservation of that key, which is of addr
// for the Service of that name, say status. It is two requests for a new one
// and one for what became Released. The error wraps config.ErrTaken if an
// object of that name exists that is not the controller's, or is about
// something else: that one is left alone. It wraps config.ErrGone if the
// namespace is going.
func (c *Client) PutReservation(ctx context.Context, key config.Key, service string, addr netip.Addr, status config.ReservationStatus) error {
	what := "write IPReservation " + key.String()
	o := translate.ReservationObject(key, service, addr)
	// a whole status, and only on an object that is what it should be
	body := []patchOp{
		{"test", "/metadata/labels/app.kubernetes.io~1managed-by", translate.ManagedBy},
		{"test", "/spec", o.Spec},
		{"add", "/status", managedStatus(status, time.Now())},
	}
	exists := status.State == config.ReservationReleased // what is released was bound
	for range attempts {
		if !exists {
			if err := c.createReservation(ctx, o); err != nil {
				return writeError(what, err)
			}
		}
		err := patchStatus(ctx, c.steelyard, types.JSONPatchType, reservations, key, body)
		switch {
		case apierrors.IsNotFound(err):
			exists = false
		case apierrors.IsConflict(err):
			exists = true
		case apierrors.IsInvalid(err):
			return c.whyInvalid(ctx, what, o, err)
		default:
			return writeError(what, err)
		}
	}
	return fmt.Errorf("%s: %w", what, config.ErrConflict)
}

// patchOp is one step of a JSON patch (RFC 6902).
type patchOp struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// createReservation makes sure that there is an object of that name.
func (c *Client) createReservation(ctx context.Context, o *v1beta1.IPReservation) error {
	err := c.steelyard.Post().Namespace(o.Namespace).Resource(reservations).Body(o).Do(ctx).Error()
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return goneNamespace(err)
}

// goneNamespace says what an error of a request for a new object means if its
// namespace is being deleted.
func goneNamespace(err error) error {
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return fmt.Errorf("%w: its namespace is being deleted (%w)", config.ErrGone, err)
	}
	return err
}

// whyInvalid finds out why the patch of want's status was refused: the object
// is not what it should be, or the API server does not like the content.
func (c *Client) whyInvalid(ctx context.Context, what string, want *v1beta1.IPReservation, refused error) error {
	o, err := c.reservation(ctx, config.Key{Namespace: want.Namespace, Name: want.Name})
	switch {
	case err != nil:
		return writeError(what, err)
	case o.Labels[translate.LabelManagedBy] != translate.ManagedBy:
		return fmt.Errorf("%s: %w: one of that name exists that the controller did not make; delete or rename it", what, config.ErrTaken)
	case !equality.Semantic.DeepEqual(o.Spec, want.Spec):
		return fmt.Errorf("%s: %w: it was edited to be of %v for Service %s; delete it", what, config.ErrTaken, o.Spec.Addresses, o.Spec.ServiceName)
	}
	return writeError(what, refused)
}

func (c *Client) reservation(ctx context.Context, key config.Key) (*v1beta1.IPReservation, error) {
	o := &v1beta1.IPReservation{}
	err := c.steelyard.Get().Namespace(key.Namespace).Resource(reservations).Name(key.Name).Do(ctx).Into(o)
	return o, err
}

// managedStatus is s with conditions that have been since its last change, so
// that writing it again changes nothing.
func managedStatus(s config.ReservationStatus, now time.Time) v1beta1.IPReservationStatus {
	since := s.Bound
	if s.Released.After(since) {
		since = s.Released
	}
	if since.IsZero() {
		since = now
	}
	o := translate.ReservationStatus(s)
	for _, c := range s.Conditions {
		o.Conditions = append(o.Conditions, metav1.Condition{Type: c.Type, Status: conditionStatus(c.Status),
			Reason: c.Reason, Message: c.Message, LastTransitionTime: metav1.NewTime(since)})
	}
	return o
}

// PatchReservation writes the status of the IPReservation that r is, one that
// a person made. Conditions of others stay. The error wraps config.ErrGone if
// r is gone or another one has its name by now.
func (c *Client) PatchReservation(ctx context.Context, r *config.Reservation, status config.ReservationStatus) error {
	what := "write status of IPReservation " + r.Key.String()
	for range attempts {
		o, err := c.reservation(ctx, r.Key)
		if err != nil {
			return writeError(what, err)
		}
		if string(o.UID) != r.UID {
			return fmt.Errorf("%s: %w: another one has its name", what, config.ErrGone)
		}
		next := manualStatus(o, status)
		if equality.Semantic.DeepEqual(next, o.Status) {
			return nil
		}
		err = patchStatus(ctx, c.steelyard, types.JSONPatchType, reservations, r.Key, []patchOp{
			{"add", "/metadata/resourceVersion", o.ResourceVersion}, // what was read is what is written
			{"add", "/status", next},
		})
		if !apierrors.IsConflict(err) {
			return writeError(what, err)
		}
	}
	return fmt.Errorf("%s: %w", what, config.ErrConflict)
}

// manualStatus is s with the conditions that o has, ours brought up to date.
func manualStatus(o *v1beta1.IPReservation, s config.ReservationStatus) v1beta1.IPReservationStatus {
	next := translate.ReservationStatus(s)
	next.Conditions = o.DeepCopy().Status.Conditions
	if len(s.Conditions) == 0 {
		meta.RemoveStatusCondition(&next.Conditions, config.ConditionValid)
	}
	for _, c := range s.Conditions {
		meta.SetStatusCondition(&next.Conditions, metav1.Condition{Type: c.Type, Status: conditionStatus(c.Status),
			Reason: c.Reason, Message: c.Message, ObservedGeneration: o.Generation})
	}
	return next
}

// DeleteReservation deletes the managed IPReservation of that key and uid (""
// means whichever has the name). One that is gone is fine, and so is another
// one of its name, which stays. The error wraps config.ErrConflict if it is
// not the controller's any more.
func (c *Client) DeleteReservation(ctx context.Context, key config.Key, uid string) error {
	what := "delete IPReservation " + key.String()
	for range attempts {
		o, err := c.reservation(ctx, key)
		switch {
		case apierrors.IsNotFound(err), err == nil && uid != "" && string(o.UID) != uid:
			return nil
		case err != nil:
			return writeError(what, err)
		case o.Labels[translate.LabelManagedBy] != translate.ManagedBy:
			return fmt.Errorf("%s: %w: it is not the controller's", what, config.ErrConflict)
		}
		err = c.deleteOurs(ctx, reservations, key, metav1.Preconditions{UID: &o.UID, ResourceVersion: &o.ResourceVersion})
		if !apierrors.IsConflict(err) {
			return writeError(what, err)
		}
	}
	return fmt.Errorf("%s: %w", what, config.ErrConflict)
}
