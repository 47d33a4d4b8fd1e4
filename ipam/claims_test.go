package ipam

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// TestReservations: what manual reservations do for their Service and to
// others, and how they stand.
func TestReservations(t *testing.T) {
	both := families(config.PreferDualStack, config.IPv4, config.IPv6)
	r := reserve("r", "b", "192.0.2.10")
	for name, c := range map[string]struct {
		pools    []*config.Pool
		reserved []*config.Reservation
		services []*config.Service
		want     map[string]string
		stands   string // of r
	}{
		"kept for its Service, which need not ask": {[]*config.Pool{public}, []*config.Reservation{r}, []*config.Service{svc("a"), svc("b")},
			map[string]string{"a": "192.0.2.11@public", "b": "192.0.2.10@public"}, "Bound"},
		"before the Service exists": {[]*config.Pool{public}, []*config.Reservation{r}, []*config.Service{svc("a")},
			map[string]string{"a": "192.0.2.11@public"}, "Reserved"},
		"not for others who ask": {[]*config.Pool{public}, []*config.Reservation{r}, []*config.Service{svc("a", asks("192.0.2.10"))},
			map[string]string{"a": "AddressInUse"}, "Reserved"},
		"not for the name in another namespace": {[]*config.Pool{public}, []*config.Reservation{r}, []*config.Service{svc("b", in("u"), asks("192.0.2.10"))},
			map[string]string{"u/b": "AddressInUse"}, "Reserved"},
		"its Service may ask for another": {[]*config.Pool{public}, []*config.Reservation{r}, []*config.Service{svc("b", asks("192.0.2.12"))},
			map[string]string{"b": "192.0.2.12@public"}, "Reserved"},
		"its Service may name another pool": {[]*config.Pool{public, tiny}, []*config.Reservation{r}, []*config.Service{svc("b", asksPool("tiny"))},
			map[string]string{"b": "198.51.100.1@tiny"}, "Reserved"},
		"from a pool that is not automatic": {[]*config.Pool{named(public), tiny}, []*config.Reservation{r}, []*config.Service{svc("b")},
			map[string]string{"b": "192.0.2.10@public"}, "Bound"},
		"one of each family": {[]*config.Pool{public}, []*config.Reservation{reserve("r", "b", "192.0.2.11", "2001:db8::12")}, []*config.Service{svc("b", both)},
			map[string]string{"b": "192.0.2.11@public 2001:db8::12@public"}, "Bound"},
		"one family reserved, the other found near": {[]*config.Pool{only6, public}, []*config.Reservation{r}, []*config.Service{svc("b", both)},
			map[string]string{"b": "192.0.2.10@public 2001:db8::10@public"}, "Bound"},
		"in no pool": {[]*config.Pool{public}, []*config.Reservation{reserve("r", "b", "203.0.113.1")}, []*config.Service{svc("b")},
			map[string]string{"b": "192.0.2.10@public"}, "Refused AddressNotInPool"},
		"buggy": {[]*config.Pool{buggyOff(pool("p", "10.0.0.0-10.0.0.9"))}, []*config.Reservation{reserve("r", "b", "10.0.0.0")}, []*config.Service{svc("b")},
			map[string]string{"b": "10.0.0.1@p"}, "Refused AddressNotInPool"},
		"draining": {[]*config.Pool{alter(public, draining), tiny}, []*config.Reservation{r}, []*config.Service{svc("b")},
			map[string]string{"b": "198.51.100.1@tiny"}, "Refused NoMatchingPool"},
		"pool for other namespaces": {[]*config.Pool{restricted(public, config.Allocation{Namespaces: []string{"x"}})}, []*config.Reservation{r}, []*config.Service{svc("a", in("x"))},
			map[string]string{"x/a": "192.0.2.10@public"}, "Refused NoMatchingPool"},
		"an older one has it": {[]*config.Pool{public}, []*config.Reservation{r, reserve("q", "a", "192.0.2.10")}, []*config.Service{svc("b"), svc("a")},
			map[string]string{"a": "192.0.2.10@public", "b": "192.0.2.11@public"}, "Refused AddressInUse"},
		"another Service has it": {[]*config.Pool{public}, []*config.Reservation{r}, []*config.Service{svc("a", shows("public", "192.0.2.10")), svc("b")},
			map[string]string{"a": "192.0.2.10@public", "b": "192.0.2.11@public"}, "Refused AddressInUse"},
		"shared by its Service": {[]*config.Pool{public}, []*config.Reservation{r}, []*config.Service{svc("a", shares("k"), port("TCP", 81)), svc("b", shares("k"))},
			map[string]string{"a": "192.0.2.11@public", "b": "192.0.2.10@public"}, "Bound"},
		"shared by its Service with a younger one": {[]*config.Pool{public}, []*config.Reservation{r}, []*config.Service{svc("b", shares("k")), svc("c", shares("k"), port("TCP", 81))},
			map[string]string{"b": "192.0.2.10@public", "c": "192.0.2.10@public"}, "Bound"},
		"of another class than the pool's": {[]*config.Pool{alter(public, func(p *config.Pool) { p.Classes = config.Classes{"x"} }), tiny}, []*config.Reservation{r}, []*config.Service{svc("b")},
			map[string]string{"b": "198.51.100.1@tiny"}, "Reserved"},
	} {
		t.Run(name, func(t *testing.T) {
			h := &history{t: t, now: noon, pools: c.pools, reserved: c.reserved}
			h.plan(c.services...)
			for _, s := range c.services {
				h.expect(s, c.want[strings.TrimPrefix(s.Key.String(), "t/")])
			}
			s, _ := h.l.Standing(r.Key)
			got := string(s.State)
			if s.Refusal != nil {
				got += " " + string(s.Refusal.Reason)
			}
			if got != c.stands {
				t.Errorf("stands as %q, want %q: %v", got, c.stands, s.Refusal)
			}
			if h.plan(c.services...); len(h.diff.Services)+len(h.diff.Reservations)+len(h.diff.Memories) > 0 {
				t.Errorf("planning again: %+v", h.diff)
			}
		})
	}
}

func TestReservationsComeAndGo(t *testing.T) {
	a, b := svc("a"), svc("b")
	h := start(t, []*config.Pool{tiny}, a)
	r := reserve("r", "b", "198.51.100.1")
	h.reserved = []*config.Reservation{r}
	h.plan(a, b)
	h.expect(a, "198.51.100.1@tiny")
	h.expectText(b, "0 of 1 IPv4 addresses are free")
	if !slices.Contains(h.diff.Reservations, r.Key) {
		t.Errorf("changed: %v", h.diff.Reservations)
	}
	c := svc("A") // the eldest of all
	h.change(c)
	h.remove(a) // the reservation waits, and so does c
	h.expect(c, "PoolExhausted")
	h.expect(b, "198.51.100.1@tiny")
	s, _ := h.l.Standing(r.Key)
	if s.State != config.ReservationBound || s.Pool != "tiny" || !s.Bound.Equal(noon) || s.Refusal != nil {
		t.Errorf("stands as %+v", s)
	}
	if !slices.Equal(h.diff.Reservations, []config.Key{r.Key}) {
		t.Errorf("changed: %v", h.diff.Reservations)
	}
	h.remove(b)
	h.expect(c, "PoolExhausted")
	h.expectText(c, "0 of 1 IPv4 addresses are free, 1 are reserved")
	h.reserved = nil
	h.plan(c)
	h.expect(c, "198.51.100.1@tiny")
	if _, ok := h.l.Standing(r.Key); ok {
		t.Error("a reservation that is gone stands")
	}
}

func TestReservedAddressCannotBeTakenByAStatus(t *testing.T) {
	h := &history{t: t, now: noon, pools: []*config.Pool{public}, reserved: []*config.Reservation{reserve("r", "b", "192.0.2.12")}}
	h.plan()
	a := svc("a", shows("public", "192.0.2.12"))
	if changes := h.change(a); len(changes) != 1 || len(changes[0].Dropped) != 1 || !strings.Contains(changes[0].Dropped[0].Why, "IPReservation t/r") {
		t.Errorf("%+v", changes)
	}
	h.expect(a, "192.0.2.10@public")
	b := svc("b")
	h.change(b)
	h.expect(b, "192.0.2.11@public") // a's status shows what is b's
}

func TestRefusalNamesTheReservation(t *testing.T) {
	h := &history{t: t, now: noon, pools: []*config.Pool{public}, reserved: []*config.Reservation{reserve("r", "b", "192.0.2.12")}}
	a := svc("a", asks("192.0.2.12"))
	h.plan(a)
	if err := refusalOf(h.l, a); !errors.Is(err, AddressInUse) {
		t.Errorf("%v", err)
	}
	h.expectText(a, "192.0.2.12 is reserved for t/b by the IPReservation t/r", "delete the IPReservation")
}

func TestManualReservationReplacesMemory(t *testing.T) {
	p := alter(public, remembers(minute, 0))
	a := svc("a")
	h := start(t, []*config.Pool{p}, a)
	h.expectMemory("192.0.2.10", "Bound a from public")
	h.reserved = []*config.Reservation{reserve("r", "a", "192.0.2.10")}
	h.plan(a)
	h.expectMemory("192.0.2.10", "")
	h.reserved = nil
	h.plan(a)
	h.expectMemory("192.0.2.10", "Bound a from public")
}
