package ipam

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// laws checks what must hold whatever happened before.
func (m *model) laws(t *testing.T, at string, before Ledger, diff Diff) {
	t.Helper()
	l, want := m.planned, m.last.Requests
	for _, req := range want {
		was, now := before.Entry(req.Service.Key), l.Entry(req.Service.Key)
		if now == nil {
			now = &Entry{Service: req.Service}
		}
		for _, h := range now.Held {
			m.lawOfSharing(t, at, before, now, h)
			if !was.has(h.Addr) && !slices.Contains(req.Service.Addrs, h.Addr) {
				m.lawOfGrants(t, at, req, h)
			}
			if !was.has(h.Addr) && before.layout != nil {
				m.lawOfKeeping(t, at, before, req.Service.Key, h)
			}
		}
		if was != nil && was.Service == req.Service && !was.Bystander() {
			m.lawOfCauses(t, at, was, now)
		}
		if req.Service.FamilyPolicy == config.RequireDualStack && len(now.Held) == 1 && was == nil && len(req.Service.Addrs) == 0 {
			t.Errorf("%s: %v requires two families and was given one", at, req.Service.Key)
		}
	}
	for _, c := range diff.Services {
		for _, drop := range c.Dropped {
			if c.Now.has(drop.Addr) {
				t.Errorf("%s: %v lost %v and has it", at, c.Key(), drop.Addr)
			}
		}
	}
	m.lawOfCounts(t, at, l)
	if again, diff := Plan(l, m.last); len(diff.Services)+len(diff.Memories)+len(diff.Reservations) != 0 || again.Len() != l.Len() {
		t.Errorf("%s: planning again changes %+v", at, diff)
		for _, c := range diff.Services {
			t.Errorf("%v from %+v to %+v", c.Key(), c.Was, c.Now)
		}
	}
	if l.Len() != countEntries(l, want) {
		t.Errorf("%s: %d entries, but %d are of Services that exist", at, l.Len(), countEntries(l, want))
	}
}

// lawOfCauses: who did not change keeps what it has, unless its address is in
// no pool any more and the pool says that such are replaced.
func (m *model) lawOfCauses(t *testing.T, at string, was, now *Entry) {
	t.Helper()
	for _, h := range was.Held {
		if !now.holds(h.Addr) && (!m.replan || config.PoolOf(m.pools, h.Addr) != nil) {
			t.Errorf("%s: %v lost %v without a cause", at, was.Service.Key, h.Addr)
		}
	}
}

// lawOfKeeping: what rests, or is reserved, is given only to whom it is kept
// for and to those who share it with that Service.
func (m *model) lawOfKeeping(t *testing.T, at string, before Ledger, svc config.Key, h Held) {
	t.Helper()
	if mem, ok := before.Memory(h.Addr); ok && mem.State == config.ReservationReleased && mem.For != svc &&
		mem.FreeAt.After(m.now) && !m.planned.Entry(mem.For).has(h.Addr) {
		t.Errorf("%s: %v was given %v, which rests until %v", at, svc, h.Addr, mem.FreeAt)
	}
	for key, r := range m.reserved {
		s, _ := m.planned.Standing(key)
		if slices.Contains(r.Addrs, h.Addr) && s.Refusal == nil && r.For() != svc && !m.planned.Entry(r.For()).has(h.Addr) {
			t.Errorf("%s: %v was given %v, which %v keeps for %v", at, svc, h.Addr, key, r.For())
		}
	}
}

func countEntries(l Ledger, want []Request) (n int) {
	for _, req := range want {
		if l.Entry(req.Service.Key) != nil {
			n++
		}
	}
	return n
}

// lawOfSharing: no address on two Services unless they may share it.
func (m *model) lawOfSharing(t *testing.T, at string, before Ledger, e *Entry, h Held) {
	t.Helper()
	l := m.planned
	for _, req := range m.last.Requests {
		other := l.Entry(req.Service.Key)
		if other == nil || other.Service.Key == e.Service.Key || !other.holds(h.Addr) {
			continue
		}
		if why := clash(e.Service, other.Service, m.mayCross(before, e, other, h.Addr)); why != "" {
			t.Errorf("%s: %v is on %v and on %v, which %s", at, h.Addr, e.Service.Key, other.Service.Key, why)
		}
	}
	if !slices.Contains(l.Holders(h.Addr), e.Service.Key) {
		t.Errorf("%s: %v holds %v, but the address does not know", at, e.Service.Key, h.Addr)
	}
}

// mayCross tells whether the pool lets the namespaces of both share, or they
// shared before.
func (m *model) mayCross(before Ledger, a, b *Entry, addr netip.Addr) bool {
	x, y := a.Service.Key, b.Service.Key
	return across(config.PoolOf(m.pools, addr), x.Namespace, y.Namespace) || before.Entry(x).has(addr) && before.Entry(y).has(addr)
}

// lawOfGrants: what is newly given lies in a pool that serves the Service and
// is shown by nobody who does not hold it.
func (m *model) lawOfGrants(t *testing.T, at string, req Request, h Held) {
	t.Helper()
	p := config.PoolOf(m.pools, h.Addr)
	if p == nil || p.Name != h.Pool || h.Gone {
		t.Errorf("%s: %v was given %v of pool %q, which it is not in", at, req.Service.Key, h.Addr, h.Pool)
		return
	}
	if why := declines(p, &req); why != "" {
		t.Errorf("%s: %v was given %v of pool %s: %s", at, req.Service.Key, h.Addr, p.Name, why)
	}
	if p.AvoidBuggyIPs && h.Addr.Is4() && buggy(wideOf(h.Addr)) {
		t.Errorf("%s: %v was given %v", at, req.Service.Key, h.Addr)
	}
	for _, other := range m.last.Requests {
		shown := slices.Contains(other.Service.Addrs, h.Addr) && other.Service.Key != req.Service.Key
		if e := m.planned.Entry(other.Service.Key); shown && (e == nil || !e.holds(h.Addr)) {
			t.Errorf("%s: %v was given %v, which %v still shows", at, req.Service.Key, h.Addr, other.Service.Key)
		}
	}
}

// lawOfCounts: the pools' counts are what counting says.
func (m *model) lawOfCounts(t *testing.T, at string, l Ledger) {
	t.Helper()
	for i, u := range l.Use() {
		p := m.pools[i]
		want := PoolUse{Pool: p.Name}
		for _, r := range p.Ranges {
			for a := r.From; r.Contains(a); a = a.Next() {
				countOne(&want, p, a, len(l.Holders(a)) > 0, m.slow.taken(a))
			}
		}
		if u.Assigned4 != want.Assigned4 || u.Assigned6 != want.Assigned6 || u.Available6 != want.Available6 || u.Kept4 != want.Kept4 || u.Kept6 != want.Kept6 {
			t.Errorf("%s: pool %s is %+v, counting says %+v", at, p.Name, u, want)
		}
		if !p.AvoidBuggyIPs && u.Available4 != want.Available4 {
			t.Errorf("%s: pool %s is %+v, counting says %+v", at, p.Name, u, want)
		}
	}
}

func countOne(u *PoolUse, p *config.Pool, a netip.Addr, used, taken bool) {
	switch {
	case !used && taken && a.Is4():
		u.Kept4++
	case !used && taken:
		u.Kept6++
	case a.Is4() && used:
		u.Assigned4++
	case a.Is4():
		u.Available4++
	case used:
		u.Assigned6++
	default:
		u.Available6++
	}
}
