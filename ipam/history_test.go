package ipam

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// history folds one change after another and reads the results.
type history struct {
	t        *testing.T
	l        Ledger
	now      time.Time
	diff     Diff // of the latest change
	pools    []*config.Pool
	reserved []*config.Reservation
}

func start(t *testing.T, pools []*config.Pool, services ...*config.Service) *history {
	h := &history{t: t, now: noon, pools: pools}
	h.plan(services...)
	return h
}

// plan folds everything that there is.
func (h *history) plan(services ...*config.Service) {
	h.l, h.diff = Plan(h.l, Input{Pools: h.pools, Reservations: h.reserved, Requests: requests(services...), Now: h.now})
}

func (h *history) change(services ...*config.Service) []Change {
	h.l, h.diff = Update(h.l, Delta{Changed: requests(services...), Now: h.now})
	return h.diff.Services
}

func (h *history) remove(services ...*config.Service) {
	var gone []config.Key
	for _, s := range services {
		gone = append(gone, s.Key)
	}
	h.l, h.diff = Update(h.l, Delta{Gone: gone, Now: h.now})
}

// wait lets time pass, and what was due happen.
func (h *history) wait(d time.Duration) {
	h.now = h.now.Add(d)
	h.l, h.diff = Update(h.l, Delta{Now: h.now})
}

// expectMemory compares what is remembered of addr with "state service from
// pool", and ", free" when, as minutes since noon; "" is nothing.
func (h *history) expectMemory(addr, want string) {
	h.t.Helper()
	got := ""
	if m, ok := h.l.Memory(ip(addr)); ok {
		got = fmt.Sprintf("%s %s from %s", m.State, m.For.Name, m.Pool)
		if m.State == config.ReservationReleased {
			got += fmt.Sprintf(", retained to %v, free at %v", m.RetainedTo.Sub(noon).Minutes(), m.FreeAt.Sub(noon).Minutes())
		}
	}
	if got != want {
		h.t.Errorf("memory of %s: %q, want %q", addr, got, want)
	}
}

// expectText wants words in the text of a refusal.
func (h *history) expectText(s *config.Service, words ...string) {
	h.t.Helper()
	text := ""
	if e := h.l.Entry(s.Key); e != nil && e.Refusal != nil {
		text = e.Refusal.Text()
	}
	for _, word := range words {
		if !strings.Contains(text, word) {
			h.t.Errorf("%s: %q does not say %q", s.Name, text, word)
		}
	}
}

func (h *history) expect(s *config.Service, want string) {
	h.t.Helper()
	if got := result(h.l, s); got != want {
		h.t.Errorf("%s: %q, want %q", s.Name, got, want)
	}
}

func TestAddressIsFreeOnlyWhenNoStatusShowsIt(t *testing.T) {
	a, b := svc("a"), svc("b")
	h := start(t, []*config.Pool{tiny, public}, a)
	h.expect(a, "198.51.100.1@tiny")
	a = but(a, shows("tiny", "198.51.100.1"))
	h.change(a)
	moved := but(a, asksPool("public"))
	h.change(moved, but(b, asksPool("tiny")))
	h.expect(moved, "192.0.2.10@public")
	h.expect(b, "PoolExhausted") // a's status still shows the address
	h.change(but(moved, shows("public", "192.0.2.10")))
	h.expect(b, "198.51.100.1@tiny")
}

func TestLeavingTypeLoadBalancer(t *testing.T) {
	a, b := svc("a", shows("tiny", "198.51.100.1")), svc("b")
	h := start(t, []*config.Pool{tiny}, a, b)
	h.expect(b, "PoolExhausted")
	a = but(a, func(s *config.Service) { s.Type = config.ClusterIP })
	var changes []Change
	h.l, changes = update(h.l, []Request{{Service: a, Bystander: true}}, nil)
	if len(changes) != 1 || len(changes[0].Dropped) != 1 || changes[0].Dropped[0].Addr != ip("198.51.100.1") {
		t.Errorf("changes: %+v", changes)
	}
	h.expect(b, "PoolExhausted") // until a's status is cleared
	h.l, _ = update(h.l, nil, []config.Key{a.Key})
	h.expect(b, "198.51.100.1@tiny")
}

func TestBystandersAddressIsNotGiven(t *testing.T) {
	theirs := Request{Service: svc("a", shows("", "198.51.100.1")), Bystander: true}
	mine := Request{Service: svc("b")}
	l, _ := plan(Ledger{}, []*config.Pool{tiny}, []Request{theirs, mine})
	if got := result(l, mine.Service); got != "PoolExhausted" {
		t.Errorf("b: %q", got)
	}
	l, _ = update(l, nil, []config.Key{theirs.Service.Key})
	if got := result(l, mine.Service); got != "198.51.100.1@tiny" {
		t.Errorf("b: %q", got)
	}
}

// TestLaggingStatusGrantsNothingTwice: the ledger remembers what no status
// shows yet.
func TestLaggingStatusGrantsNothingTwice(t *testing.T) {
	a, b := svc("a"), svc("b")
	h := start(t, []*config.Pool{public}, a)
	h.change(but(a, func(s *config.Service) { s.Labels = map[string]string{"x": "y"} }))
	h.change(b)
	h.expect(a, "192.0.2.10@public")
	h.expect(b, "192.0.2.11@public")
}

func TestNewcomerNeverEvicts(t *testing.T) {
	b := svc("b")
	h := start(t, []*config.Pool{tiny}, b)
	a := svc("a", asks("198.51.100.1"), shows("tiny", "198.51.100.1")) // older, and its status says so
	h.change(a)
	h.expect(b, "198.51.100.1@tiny")
	h.expect(a, "AddressInUse")
	if err := refusalOf(h.l, a); !errors.Is(err, AddressInUse) {
		t.Errorf("%v", err)
	}
}

func TestSharersStayTogether(t *testing.T) {
	a, b := svc("a", shares("k")), svc("b", shares("k"), port("TCP", 81))
	h := start(t, []*config.Pool{public}, a, b)
	h.expect(b, "192.0.2.10@public")
	h.change(but(b, port("TCP", 80))) // now it clashes, and it is b that changed
	h.expect(a, "192.0.2.10@public")
	h.expect(b, "192.0.2.11@public")
	h = start(t, []*config.Pool{public}, a, b)
	h.change(but(a, shares("q")), but(b, shares("q"))) // both at once: they stay
	h.expect(a, "192.0.2.10@public")
	h.expect(b, "192.0.2.10@public")
	h.l, _ = update(h.l, nil, []config.Key{a.Key})
	h.expect(b, "192.0.2.10@public")
	if got := h.l.Holders(ip("192.0.2.10")); len(got) != 1 || got[0] != b.Key {
		t.Errorf("holders: %v", got)
	}
}

func TestFamiliesChangeLater(t *testing.T) {
	a := svc("a")
	h := start(t, []*config.Pool{public}, a)
	both := but(a, families(config.RequireDualStack, config.IPv4, config.IPv6))
	h.change(both)
	h.expect(a, "192.0.2.10@public 2001:db8::10@public")
	changes := h.change(but(both, families(config.SingleStack, config.IPv4)))
	h.expect(a, "192.0.2.10@public")
	if len(changes) != 1 || len(changes[0].Dropped) != 1 {
		t.Errorf("changes: %+v", changes)
	}
}

func TestUnreadableRequestKeepsTheAddress(t *testing.T) {
	a := svc("a")
	h := start(t, []*config.Pool{public}, a)
	h.change(but(a, func(s *config.Service) { s.Want.Problem = &config.Problem{Message: "typing error"} }))
	h.expect(a, "192.0.2.10@public InvalidRequest")
}

func TestUseCountsWhatIsOccupied(t *testing.T) {
	six4 := pool("wide", "2001:db8::-2001:db8::ffff:ffff:ffff:ffff")
	h := start(t, []*config.Pool{public, six4}, svc("a"), svc("b", families(config.SingleStack, config.IPv6), asksPool("wide")))
	use := h.l.Use()
	if want := (PoolUse{Pool: "public", Assigned4: 1, Available4: 2, Available6: 3}); use[0] != want {
		t.Errorf("%+v, want %+v", use[0], want)
	}
	if want := (PoolUse{Pool: "wide", Assigned6: 1, Available6: 1<<63 - 1}); use[1] != want {
		t.Errorf("%+v, want %+v", use[1], want)
	}
}

func TestLedgersAreImmutable(t *testing.T) {
	a, b := svc("a"), svc("b")
	one, _ := plan(Ledger{}, []*config.Pool{public}, requests(a))
	two, _ := update(one, requests(b), nil)
	three, _ := update(one, nil, []config.Key{a.Key})
	for _, c := range []struct {
		l            Ledger
		a, b         string
		size, in4use int
	}{
		{one, "192.0.2.10@public", "", 1, 1},
		{two, "192.0.2.10@public", "192.0.2.11@public", 2, 2},
		{three, "", "", 0, 0},
	} {
		if result(c.l, a) != c.a || result(c.l, b) != c.b || c.l.Len() != c.size || int(c.l.Use()[0].Assigned4) != c.in4use {
			t.Errorf("a %q b %q, %d entries, %+v", result(c.l, a), result(c.l, b), c.l.Len(), c.l.Use()[0])
		}
	}
}
