package ipam

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// laws checks what must hold whatever happened before.
func (m *model) laws(t *testing.T, at string, before, l Ledger, want []Request) {
	t.Helper()
	for _, req := range want {
		was, now := before.Entry(req.Service.Key), l.Entry(req.Service.Key)
		if now == nil {
			now = &Entry{Service: req.Service}
		}
		for _, h := range now.Held {
			m.lawOfSharing(t, at, l, now, h, want)
			if (was == nil || !was.holds(h.Addr)) && !slices.Contains(req.Service.Addrs, h.Addr) {
				m.lawOfGrants(t, at, req, h, want, l)
			}
		}
		if was != nil && was.Service == req.Service && !was.Bystander {
			for _, h := range was.Held {
				if !now.holds(h.Addr) {
					t.Errorf("%s: %v lost %v without a cause", at, req.Service.Key, h.Addr)
				}
			}
		}
		if req.Service.FamilyPolicy == config.RequireDualStack && len(now.Held) == 1 && was == nil && len(req.Service.Addrs) == 0 {
			t.Errorf("%s: %v requires two families and was given one", at, req.Service.Key)
		}
	}
	m.lawOfCounts(t, at, l)
	if again, changes := plan(l, m.pools, want); len(changes) != 0 || again.Len() != l.Len() {
		t.Errorf("%s: planning again changes %d Services: %v from %+v to %+v, dropped %v", at, len(changes), changes[0].Key, changes[0].Was, changes[0].Now, changes[0].Dropped)
	}
	if l.Len() != countEntries(l, want) {
		t.Errorf("%s: %d entries, but %d are of Services that exist", at, l.Len(), countEntries(l, want))
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
func (m *model) lawOfSharing(t *testing.T, at string, l Ledger, e *Entry, h Held, want []Request) {
	t.Helper()
	for _, req := range want {
		other := l.Entry(req.Service.Key)
		if other == nil || other.Service.Key == e.Service.Key || !other.holds(h.Addr) {
			continue
		}
		if why := clash(e.Service, other.Service, true); why != "" {
			t.Errorf("%s: %v is on %v and on %v, which %s", at, h.Addr, e.Service.Key, other.Service.Key, why)
		}
	}
	if !slices.Contains(l.Holders(h.Addr), e.Service.Key) {
		t.Errorf("%s: %v holds %v, but the address does not know", at, e.Service.Key, h.Addr)
	}
}

// lawOfGrants: what is newly given lies in a pool that serves the Service and
// is shown by nobody who does not hold it.
func (m *model) lawOfGrants(t *testing.T, at string, req Request, h Held, want []Request, l Ledger) {
	t.Helper()
	p := config.PoolOf(m.pools, h.Addr)
	if p == nil || p.Name != h.Pool || h.Gone {
		t.Errorf("%s: %v was given %v of pool %q, which it is not in", at, req.Service.Key, h.Addr, h.Pool)
		return
	}
	if why := declines(p, req); why != "" {
		t.Errorf("%s: %v was given %v of pool %s: %s", at, req.Service.Key, h.Addr, p.Name, why)
	}
	if p.AvoidBuggyIPs && h.Addr.Is4() && buggy(wideOf(h.Addr)) {
		t.Errorf("%s: %v was given %v", at, req.Service.Key, h.Addr)
	}
	for _, other := range want {
		shown := slices.Contains(other.Service.Addrs, h.Addr) && other.Service.Key != req.Service.Key
		if e := l.Entry(other.Service.Key); shown && (e == nil || !e.holds(h.Addr)) {
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
				countOne(&want, p, a, len(l.Holders(a)) > 0)
			}
		}
		if u.Assigned4 != want.Assigned4 || u.Assigned6 != want.Assigned6 || u.Available6 != want.Available6 {
			t.Errorf("%s: pool %s is %+v, counting says %+v", at, p.Name, u, want)
		}
		if !p.AvoidBuggyIPs && u.Available4 != want.Available4 {
			t.Errorf("%s: pool %s is %+v, counting says %+v", at, p.Name, u, want)
		}
	}
}

func countOne(u *PoolUse, p *config.Pool, a netip.Addr, used bool) {
	switch {
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
