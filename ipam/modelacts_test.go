package ipam

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

func (m *model) act() {
	switch n := m.rnd.IntN(100); {
	case n < 25:
		m.create()
	case n < 40:
		m.edit(m.reshape)
	case n < 75:
		m.edit(func(s *config.Service) { writeStatus(s, m.planned) })
	case n < 80:
		m.edit(func(s *config.Service) { s.Addrs = []netip.Addr{m.addr()} })
	case n < 95:
		if s := m.any(); s != nil {
			delete(m.svcs, s.Key)
			m.gone = append(m.gone, s.Key)
		}
	case n < 97:
		m.reserve()
		m.replan = true
	default:
		m.editPools()
		m.replan = true
	}
	if m.rnd.IntN(3) > 0 {
		m.record()
	}
}

// record is what the controller writes of memories and reservations.
func (m *model) record() {
	if m.rnd.IntN(2) == 0 { // else what ended is not deleted yet
		clear(m.records)
	}
	for mem := range m.planned.Memories() {
		r := record(m.planned, mem.Addr.String())
		m.records[r.Key] = r
	}
	for key, r := range m.reserved {
		if s, ok := m.planned.Standing(key); ok && s.State != r.Status.State && m.rnd.IntN(4) == 0 {
			c := *r
			c.Status.State, c.Status.Bound, c.Status.Addrs = s.State, s.Bound, c.Addrs
			m.reserved[key], m.replan = &c, true
		}
	}
}

// reservations lists them all.
func (m *model) reservations() (out []*config.Reservation) {
	for _, r := range m.reserved {
		out = append(out, r)
	}
	for _, r := range m.records {
		out = append(out, r)
	}
	return out
}

// reserve makes, changes or deletes a manual reservation.
func (m *model) reserve() {
	key := config.Key{Namespace: pickOne(m.rnd, "t", "u"), Name: pickOne(m.rnd, "r0", "r1", "r2")}
	if m.rnd.IntN(3) == 0 {
		delete(m.reserved, key)
		return
	}
	r := &config.Reservation{Key: key, Created: noon.Add(time.Duration(m.rnd.IntN(50))), Service: m.name(), Addrs: []netip.Addr{m.addr()}}
	if other := m.addr(); other.Is4() != r.Addrs[0].Is4() {
		r.Addrs = append(r.Addrs, other)
	}
	m.reserved[key] = r
}

func (m *model) name() string { return fmt.Sprintf("s%02d", m.rnd.IntN(24)) }

// writeStatus is what the controller writes, seen in a snapshot.
func writeStatus(s *config.Service, l Ledger) {
	e := l.Entry(s.Key)
	if e != nil && (e.Bystander() || e.Refusal != nil && e.Refusal.Reason == ForeignAddress) {
		return
	}
	s.Addrs, s.AllocatedFrom = e.Addrs(), ""
	if e != nil && len(e.Held) > 0 {
		s.AllocatedFrom = e.Pools()
	}
}

func (m *model) any() *config.Service {
	if len(m.svcs) == 0 {
		return nil
	}
	keys := make([]config.Key, 0, len(m.svcs))
	for key := range m.svcs {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, config.Key.Compare)
	return m.svcs[keys[m.rnd.IntN(len(keys))]]
}

func (m *model) edit(change func(*config.Service)) {
	if s := m.any(); s != nil {
		m.svcs[s.Key] = but(s, change)
		m.changed[s.Key] = true
	}
}

func (m *model) create() {
	key := config.Key{Namespace: pickOne(m.rnd, "t", "u"), Name: m.name()}
	if m.svcs[key] != nil || slices.Contains(m.gone, key) {
		return
	}
	s := &config.Service{Key: key, Created: time.Unix(m.rnd.Int64N(50), 0), Type: config.LoadBalancer}
	m.reshape(s)
	m.svcs[key], m.changed[key] = s, true
}

func pickOne[T any](rnd *rand.Rand, of ...T) T { return of[rnd.IntN(len(of))] }

func (m *model) reshape(s *config.Service) {
	r := m.rnd
	s.Type = pickOne(r, config.LoadBalancer, config.LoadBalancer, config.LoadBalancer, config.LoadBalancer, config.LoadBalancer, config.ClusterIP)
	s.Class = pickOne(r, "", "", "", "", "", "gold", "gold", "other")
	s.FamilyPolicy = pickOne(r, config.SingleStack, config.PreferDualStack, config.RequireDualStack)
	s.Families = pickOne(r, []config.Family{4}, []config.Family{6})
	if s.FamilyPolicy != config.SingleStack {
		s.Families = pickOne(r, []config.Family{4, 6}, []config.Family{6, 4})
	}
	s.Ports = []config.ServicePort{{Proto: pickOne(r, config.TCP, config.UDP), Port: uint16(80 + r.IntN(2))}}
	s.Local = r.IntN(4) == 0
	s.Selector = map[string]string{"app": pickOne(r, "x", "y")}
	s.Deleted = r.IntN(12) == 0
	s.Want = config.Want{ShareKey: pickOne(r, "", "", "k", "q"), Pool: pickOne(r, "", "", "", "p0", "p1")}
	if r.IntN(4) == 0 {
		s.Want.Addrs = []netip.Addr{m.addr()}
	}
	if r.IntN(15) == 0 {
		s.Want.Problem = &config.Problem{Message: "unreadable"}
	}
}

func (m *model) addr() netip.Addr {
	if m.rnd.IntN(2) == 0 {
		return wide{lo: 10<<24 + 250 + m.rnd.Uint64N(16)}.addr4()
	}
	return wide{0x20010db800000000, m.rnd.Uint64N(10)}.addr6()
}

// shape gives p rules of its own.
func (m *model) shape(p *config.Pool) {
	r := m.rnd
	p.Strategy = pickOne(r, config.Lowest, config.Random, config.LeastRecentlyUsed)
	p.Draining = r.IntN(10) == 0
	p.OnRemoval = pickOne(r, config.Keep, config.Keep, config.Reallocate)
	if r.IntN(2) == 0 {
		p.ReuseAfter, p.Retain = time.Duration(r.IntN(3))*time.Minute, time.Duration(r.IntN(3))*time.Minute
	}
	if r.IntN(5) == 0 {
		p.Classes = pickOne(r, config.Classes{""}, config.Classes{"gold"}, config.Classes{"", "gold"})
	}
	if r.IntN(2) == 0 {
		p.SharedBy = []string{"t", "u"}
	}
	p.Labels = pickOne(r, nil, map[string]string{"l": "1"}, map[string]string{"l": "2"})
}

// editPools makes three disjoint pools of a few addresses each.
func (m *model) editPools() {
	m.pools = nil
	for i := range uint64(3) {
		p := &config.Pool{Name: fmt.Sprintf("p%d", i), AutoAssign: m.rnd.IntN(5) > 0, AvoidBuggyIPs: m.rnd.IntN(2) == 0}
		m.shape(p)
		if m.rnd.IntN(6) > 0 {
			from := wide{lo: 10<<24 + 250 + 5*i}
			p.Ranges = append(p.Ranges, config.Range{From: from.addr4(), To: from.plus(wide{lo: m.rnd.Uint64N(5)}).addr4()})
		}
		if m.rnd.IntN(3) > 0 {
			from := wide{0x20010db800000000, 3 * i}
			p.Ranges = append(p.Ranges, config.Range{From: from.addr6(), To: from.plus(wide{lo: m.rnd.Uint64N(3)}).addr6()})
		}
		if m.rnd.IntN(3) == 0 {
			p.Allocation = &config.Allocation{Priority: m.rnd.IntN(3)}
			if m.rnd.IntN(2) == 0 {
				p.Allocation.Namespaces = []string{"t"}
			}
		}
		if m.rnd.IntN(8) > 0 {
			m.pools = append(m.pools, p)
		}
	}
}
