package kube

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/translate"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func managed(service, addr string, s config.ReservationStatus) *v1beta1.IPReservation {
	a := netip.MustParseAddr(addr)
	o := translate.ReservationObject(config.Key{Namespace: "shop", Name: config.ReservationName(service, a)}, service, a)
	s.Addrs = []netip.Addr{a}
	o.Status = translate.ReservationStatus(s)
	return o
}

// drive builds snapshots of a source with nothing but reservations and pools.
type drive struct {
	*testing.T
	*Source
}

func newDrive(t *testing.T) drive {
	d := drive{t, Watch(&Client{}, WatchOptions{Parts: Reservations | Config, Namespace: home})}
	d.builder.build(nil)
	return d
}

func (d drive) set(k kind, o metav1.Object) *config.Snapshot {
	d.Helper()
	if err := d.view[k].Update(o); err != nil {
		d.Fatal(err)
	}
	return d.builder.build(d.marks.take())
}

func (d drive) drop(k kind, o metav1.Object) *config.Snapshot {
	d.Helper()
	if err := d.view[k].Delete(o); err != nil {
		d.Fatal(err)
	}
	return d.builder.build(d.marks.take())
}

func TestReservationsInSnapshots(t *testing.T) {
	d := newDrive(t)
	key := config.Key{Namespace: "shop", Name: "static"}

	// a person's reservation is for the allocator to plan with; its status is not
	snap := d.set(kindReservations, aReservation("static", "web", "192.0.2.10"))
	if r, _ := snap.Reservations.Get(key); r == nil || !snap.Changed.Config || !slices.Equal(snap.Changed.Reservations, []config.Key{key}) {
		t.Errorf("new: %+v", snap.Changed)
	}
	o := aReservation("static", "web", "192.0.2.10")
	o.Status = translate.ReservationStatus(boundSince(heldAt))
	snap = d.set(kindReservations, o)
	if r, ok := snap.Bound.Get(heldAddr); !ok || r.Key != key || snap.Changed.Config || len(snap.Changed.Reservations) != 1 {
		t.Errorf("bound: %+v %+v", r, snap.Changed)
	}
	o = o.DeepCopy()
	o.Spec.ServiceName = "api"
	if snap = d.set(kindReservations, o); !snap.Changed.Config {
		t.Errorf("for another Service: %+v", snap.Changed)
	}
	if snap = d.set(kindReservations, o.DeepCopy()); snap != nil {
		t.Errorf("nothing changed: %+v", snap.Changed)
	}

	// the controller's memory of the same address stands behind it, and alone later
	own := managed("web", "192.0.2.10", boundSince(heldAt))
	snap = d.set(kindReservations, own)
	if r, _ := snap.Bound.Get(heldAddr); r.Key != key || snap.Changed.Config {
		t.Errorf("two of one address: %+v %+v", r, snap.Changed)
	}
	snap = d.drop(kindReservations, o)
	if r, _ := snap.Bound.Get(heldAddr); r == nil || r.Key != heldKey || !snap.Changed.Config || snap.Reservations.Len() != 1 {
		t.Errorf("the other one alone: %+v %+v", r, snap.Changed)
	}
	snap = d.set(kindReservations, managed("web", "192.0.2.10", releasedAt(heldAt)))
	if r, ok := snap.Bound.Get(heldAddr); ok || snap.Bound.Len() != 0 || snap.Changed.Config {
		t.Errorf("released: %+v %+v", r, snap.Changed)
	}
	if snap = d.drop(kindReservations, own); snap.Changed.Config || len(snap.Changed.Reservations) != 1 || len(d.builder.binders) != 0 {
		t.Errorf("gone: %+v, %v", snap.Changed, d.builder.binders)
	}
}

func TestTheOlderReservationBinds(t *testing.T) {
	d := newDrive(t)
	for name, age := range map[string]int64{"young": 2000, "old": 1000, "middle": 1500} {
		o := aReservation(name, "web", "192.0.2.10")
		o.CreationTimestamp = metav1.NewTime(time.Unix(age, 0))
		o.Status = translate.ReservationStatus(boundSince(heldAt))
		d.set(kindReservations, o)
	}
	if r, _ := d.builder.snap.Bound.Get(heldAddr); r == nil || r.Name != "old" {
		t.Errorf("%+v binds", r)
	}
	snap := d.drop(kindReservations, aReservation("old", "web"))
	if r, _ := snap.Bound.Get(heldAddr); r == nil || r.Name != "middle" {
		t.Errorf("then %+v", r)
	}
}

func TestReservationProblemsReachTheSnapshot(t *testing.T) {
	d := newDrive(t)
	snap := d.set(kindReservations, aReservation("static", "web", "127.0.0.1"))
	if len(snap.Problems) != 1 || snap.Problems[0].Object.Kind != config.KindIPReservation || snap.Reservations.Len() != 0 {
		t.Errorf("problems %v, reservations %d", snap.Problems, snap.Reservations.Len())
	}
}

// What a pool edit takes away stays known until a pool holds it again.
func TestFormerPools(t *testing.T) {
	d := newDrive(t)
	if snap := d.set(kindPools, aPool("lan", "192.0.2.0/28", "192.0.2.32/28")); len(snap.Former) != 0 {
		t.Errorf("at first: %v", snap.Former)
	}
	lost := netip.MustParseAddr("192.0.2.33")
	snap := d.set(kindPools, aPool("lan", "192.0.2.0/28"))
	if p := config.PoolOf(snap.Former, lost); p == nil || p.Name != "lan" {
		t.Errorf("shrunk: %v", snap.Former)
	}
	snap = d.drop(kindPools, aPool("lan"))
	if config.PoolOf(snap.Former, lost) == nil || config.PoolOf(snap.Former, netip.MustParseAddr("192.0.2.1")) == nil {
		t.Errorf("gone: %v", snap.Former)
	}
	if snap = d.set(kindPools, aPool("new", "192.0.2.0/26")); len(snap.Former) != 0 || !snap.Changed.Config {
		t.Errorf("held again: %v", snap.Former)
	}
}
