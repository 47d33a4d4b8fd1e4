package translate

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// The label of IPReservations that the controller makes, and deletes.
const (
	LabelManagedBy = "app.kubernetes.io/managed-by"
	ManagedBy      = "steelyard"
)

// Reservation translates an IPReservation; it is nil if the object has a
// problem. Whether its addresses can be had is for the allocator to say.
func Reservation(o *v1beta1.IPReservation) (*config.Reservation, []config.Problem) {
	f := faultsOf(config.KindIPReservation, o)
	r := &config.Reservation{
		Key: keyOf(o), UID: string(o.UID), Created: o.CreationTimestamp.UTC(),
		Service: o.Spec.ServiceName, Managed: o.Labels[LabelManagedBy] == ManagedBy,
		Status: reservationStatus(&o.Status),
	}
	if wrong := validation.IsDNS1123Label(r.Service); len(wrong) > 0 {
		f.add("spec.serviceName", ReasonInvalid, "write the name of a Service of this namespace",
			"%q cannot be the name of a Service", r.Service)
	}
	r.Addrs = reservedAddrs(f, o.Spec.Addresses)
	if r.Managed && !f.any() {
		checkManaged(f, r)
	}
	if f.any() {
		return nil, f.problems
	}
	return r, nil
}

func reservedAddrs(f *faults, list []string) []netip.Addr {
	if len(list) == 0 {
		f.add("spec.addresses", ReasonInvalid, "write an IP address, or one of each family", "the reservation has no addresses")
	}
	var out []netip.Addr
	for i, s := range list {
		field := fmt.Sprintf("spec.addresses[%d]", i)
		addr, err := parseAddr(s)
		if err != nil {
			f.add(field, ReasonInvalid, "write an IP address such as 192.0.2.10 or 2001:db8::10", "cannot read %q: %v", s, err)
			continue
		}
		for _, u := range unusable {
			if u.Contains(addr) {
				f.add(field, ReasonInvalid, "reserve an address of a pool",
					"%v is a %s address (%v), which cannot be given to a Service", addr, u.what, u.Range)
			}
		}
		for _, other := range out {
			if other.BitLen() == addr.BitLen() {
				f.add(field, ReasonInvalid, "make a reservation for each, or remove one of them",
					"%v and %v are both %v", other, addr, config.FamilyOf(addr))
			}
		}
		out = append(out, addr)
	}
	return out
}

// checkManaged refuses a managed reservation that is not as the controller
// makes them: two objects about one address would be two truths.
func checkManaged(f *faults, r *config.Reservation) {
	const remedy = "delete it; the controller writes a new one if need be. For a reservation of your own remove the label " + LabelManagedBy
	if len(r.Addrs) != 1 {
		f.add("spec.addresses", ReasonInvalid, remedy, "a managed reservation is of one address, not %d", len(r.Addrs))
		return
	}
	if name := config.ReservationName(r.Service, r.Addrs[0]); r.Name != name {
		f.add("metadata.name", ReasonInvalid, remedy, "the managed reservation of %v for Service %s must be named %q",
			r.Addrs[0], r.Service, name)
	}
}

// reservationStatus reads what the controller wrote. What cannot be read was
// not written by it and is left out.
func reservationStatus(o *v1beta1.IPReservationStatus) config.ReservationStatus {
	s := config.ReservationStatus{
		State: config.ReservationState(o.State), Pool: o.Pool, PoolLabels: o.PoolLabels,
		Bound: moment(o.BoundAt), Released: moment(o.ReleasedAt),
		RetainedTo: moment(o.RetainedUntil), FreeAt: moment(o.FreeAt),
	}
	for _, c := range conditions(o.Conditions) {
		if c.Type == config.ConditionValid {
			s.Conditions = append(s.Conditions, c)
		}
	}
	for _, text := range o.Addresses {
		if addr, err := parseAddr(text); err == nil {
			s.Addrs = append(s.Addrs, addr)
		}
	}
	return s
}

func moment(t *metav1.MicroTime) time.Time {
	if t == nil || t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}

func conditions(list []metav1.Condition) []config.Condition {
	var out []config.Condition
	for _, c := range list {
		out = append(out, config.Condition{
			Type: c.Type, Status: c.Status == metav1.ConditionTrue, Reason: c.Reason, Message: c.Message})
	}
	return out
}

// ReservationObject is the managed IPReservation of addr for the Service of
// that name; Kubernetes takes its status in a request of its own.
func ReservationObject(key config.Key, service string, addr netip.Addr) *v1beta1.IPReservation {
	return &v1beta1.IPReservation{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: key.Namespace, Name: key.Name, Labels: map[string]string{LabelManagedBy: ManagedBy}},
		Spec: v1beta1.IPReservationSpec{ServiceName: service, Addresses: []string{addr.String()}},
	}
}

// ReservationStatus is s as the API has it, with times to the microsecond; what
// is not set is left out. Conditions are for the writer, which knows since
// when they are.
func ReservationStatus(s config.ReservationStatus) v1beta1.IPReservationStatus {
	o := v1beta1.IPReservationStatus{
		State: string(s.State), Pool: s.Pool, PoolLabels: s.PoolLabels,
		BoundAt: microTime(s.Bound), ReleasedAt: microTime(s.Released),
		RetainedUntil: microTime(s.RetainedTo), FreeAt: microTime(s.FreeAt),
	}
	for _, addr := range s.Addrs {
		o.Addresses = append(o.Addresses, addr.String())
	}
	return o
}

func microTime(t time.Time) *metav1.MicroTime {
	if t.IsZero() {
		return nil
	}
	return &metav1.MicroTime{Time: t.UTC().Truncate(time.Microsecond)}
}
