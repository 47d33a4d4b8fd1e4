package kube

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/translate"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var (
	heldAddr = netip.MustParseAddr("192.0.2.10")
	heldKey  = config.Key{Namespace: "shop", Name: "web-192.0.2.10"}
	heldAt   = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
)

func boundSince(t time.Time) config.ReservationStatus {
	return config.ReservationStatus{State: config.ReservationBound, Addrs: []netip.Addr{heldAddr}, Pool: "lan",
		PoolLabels: map[string]string{"zone": "dmz", "old": "x"}, Bound: t,
		Conditions: []config.Condition{{Type: config.ConditionValid, Status: true, Reason: "Bound", Message: "has it"}}}
}

func releasedAt(t time.Time) config.ReservationStatus {
	s := boundSince(heldAt)
	s.State, s.Released, s.RetainedTo, s.FreeAt = config.ReservationReleased, t, t.Add(time.Hour), t.Add(2*time.Hour)
	s.PoolLabels = map[string]string{"zone": "dmz"}
	return s
}

func reservationNow(t *testing.T, api *apiServer, key config.Key) *config.Reservation {
	t.Helper()
	o := stored[v1beta1.IPReservation](t, api, reservations, key)
	r, problems := translate.Reservation(&o)
	if r == nil {
		t.Fatal(problems)
	}
	return r
}

// aReservation is one that a person made.
func aReservation(name, service string, addresses ...string) *v1beta1.IPReservation {
	return &v1beta1.IPReservation{ObjectMeta: om("shop", name),
		Spec: v1beta1.IPReservationSpec{ServiceName: service, Addresses: addresses}}
}

func TestPutReservationFromGrantToRelease(t *testing.T) {
	api, c := newAPIServer(t)
	for _, step := range []struct {
		status   config.ReservationStatus
		requests int
	}{
		{boundSince(heldAt), 2}, {boundSince(heldAt), 2}, {releasedAt(heldAt.Add(time.Minute)), 1}, {releasedAt(heldAt.Add(time.Minute)), 1},
	} {
		api.set(func() { api.requests = nil })
		if err := c.PutReservation(t.Context(), heldKey, "web", heldAddr, step.status); err != nil {
			t.Fatal(err)
		}
		r := reservationNow(t, api, heldKey)
		if !r.Managed || r.Service != "web" || !slices.Equal(r.Addrs, []netip.Addr{heldAddr}) || !r.Status.Equal(step.status) {
			t.Errorf("stored %+v, want %+v", r, step.status)
		}
		if len(api.requests) != step.requests {
			t.Errorf("%s: %v, want %d", step.status.State, api.requests, step.requests)
		}
	}
	api.remove(reservations, heldKey) // by hand
	if err := c.PutReservation(t.Context(), heldKey, "web", heldAddr, releasedAt(heldAt)); err != nil {
		t.Fatal(err)
	}
	if r := reservationNow(t, api, heldKey); r.Status.State != config.ReservationReleased {
		t.Errorf("made again: %+v", r)
	}
}

// An object in the way is left as it is, and the error says what to do.
func TestPutReservationLeavesOthersAlone(t *testing.T) {
	for _, c := range []struct {
		what string
		edit func(*v1beta1.IPReservation)
		says string
	}{
		{"made by a person", func(o *v1beta1.IPReservation) { o.Labels = nil }, "the controller did not make"},
		{"managed by another", func(o *v1beta1.IPReservation) { o.Labels[translate.LabelManagedBy] = "Helm" }, "the controller did not make"},
		{"another Service", func(o *v1beta1.IPReservation) { o.Spec.ServiceName = "api" }, "Service api"},
		{"another address", func(o *v1beta1.IPReservation) { o.Spec.Addresses = []string{"192.0.2.11"} }, "192.0.2.11"},
	} {
		for _, status := range []config.ReservationStatus{boundSince(heldAt), releasedAt(heldAt)} {
			api, client := newAPIServer(t)
			o := translate.ReservationObject(heldKey, "web", heldAddr)
			c.edit(o)
			api.put(t, reservations, o)
			err := client.PutReservation(t.Context(), heldKey, "web", heldAddr, status)
			if !errors.Is(err, config.ErrTaken) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s, %s: %v", c.what, status.State, err)
			}
			if now := stored[v1beta1.IPReservation](t, api, reservations, heldKey); now.Status.State != "" {
				t.Errorf("%s, %s: status written: %+v", c.what, status.State, now.Status)
			}
		}
	}
}

func TestPutReservationWithoutTheLease(t *testing.T) {
	api, c := newAPIServer(t)
	f := newFence(time.Now(), time.Minute) // whose certain time is over
	err := c.PutReservation(withFence(t.Context(), f), heldKey, "web", heldAddr, boundSince(heldAt))
	if !errors.Is(err, ErrNotLeader) || len(api.requests) != 0 {
		t.Errorf("error %v, requests %v", err, api.requests)
	}
}

func TestPatchReservation(t *testing.T) {
	api, c := newAPIServer(t)
	o := aReservation("static", "web", "192.0.2.10")
	o.Status.Conditions = []metav1.Condition{{Type: "theirs/Seen", Status: "True", Reason: "X", LastTransitionTime: metav1.Now()}}
	api.put(t, reservations, o)
	key := config.Key{Namespace: "shop", Name: "static"}
	r := reservationNow(t, api, key)

	interfered := false
	api.set(func() {
		api.before = func(req *http.Request) {
			if req.Method == http.MethodPatch && !interfered {
				interfered = true
				again := stored[v1beta1.IPReservation](t, api, reservations, key)
				again.Labels = map[string]string{"team": "a"}
				api.put(t, reservations, again)
			}
		}
	})
	want := boundSince(heldAt)
	if err := c.PatchReservation(t.Context(), r, want); err != nil {
		t.Fatal(err)
	}
	now := stored[v1beta1.IPReservation](t, api, reservations, key)
	if got := reservationNow(t, api, key); !got.Status.Equal(want) || !interfered || now.Labels["team"] != "a" {
		t.Errorf("status %+v, want %+v; labels %v", got.Status, want, now.Labels)
	}
	if len(now.Status.Conditions) != 2 {
		t.Errorf("conditions: %+v", now.Status.Conditions)
	}

	api.set(func() { api.requests = nil })
	if err := c.PatchReservation(t.Context(), r, want); err != nil || len(api.requests) != 0 {
		t.Errorf("the same again: %v %v", err, api.requests)
	}
	refused := config.ReservationStatus{State: config.ReservationRefused}
	if err := c.PatchReservation(t.Context(), r, refused); err != nil {
		t.Fatal(err)
	}
	now = stored[v1beta1.IPReservation](t, api, reservations, key)
	if got := reservationNow(t, api, key); !got.Status.Equal(refused) || len(now.Status.Conditions) != 1 || now.Status.BoundAt != nil {
		t.Errorf("what is not so any more is still there: %+v", now.Status)
	}

	api.set(func() { api.before = nil })
	api.remove(reservations, key)
	if err := c.PatchReservation(t.Context(), r, want); !errors.Is(err, config.ErrGone) {
		t.Errorf("gone: %v", err)
	}
	api.put(t, reservations, aReservation("static", "web", "192.0.2.10"))
	if err := c.PatchReservation(t.Context(), r, want); !errors.Is(err, config.ErrGone) {
		t.Errorf("another one: %v", err)
	}
}

func TestDeleteReservation(t *testing.T) {
	api, c := newAPIServer(t)
	if err := c.DeleteReservation(t.Context(), heldKey, "u1"); err != nil {
		t.Errorf("gone already: %v", err)
	}
	api.put(t, reservations, translate.ReservationObject(heldKey, "web", heldAddr))
	uid := reservationNow(t, api, heldKey).UID
	if err := c.DeleteReservation(t.Context(), heldKey, "another"); err != nil || reservationNow(t, api, heldKey).UID != uid {
		t.Errorf("another one of its name: %v", err)
	}
	api.put(t, reservations, aReservation(heldKey.Name, "web", "192.0.2.10")) // taken over by a person
	if err := c.DeleteReservation(t.Context(), heldKey, uid); !errors.Is(err, config.ErrConflict) {
		t.Errorf("one that is not ours any more: %v", err)
	}
	for _, known := range []string{uid, ""} {
		api.put(t, reservations, translate.ReservationObject(heldKey, "web", heldAddr))
		if known != "" {
			known = reservationNow(t, api, heldKey).UID
		}
		if err := c.DeleteReservation(t.Context(), heldKey, known); err != nil {
			t.Fatal(err)
		}
		if left := stored[*v1beta1.IPReservation](t, api, reservations, heldKey); left != nil {
			t.Errorf("still there: %+v", left)
		}
	}
}
