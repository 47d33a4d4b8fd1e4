package ipam

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// model is a small cluster in which everything happens at random: Services
// come, change and go; statuses arrive late or are edited by hand; pools are
// edited; leaders are replaced.
type model struct {
	rnd      *rand.Rand
	pools    []*config.Pool
	repooled bool
	svcs     map[config.Key]*config.Service
	changed  map[config.Key]bool
	gone     []config.Key
}

// TestModel folds random histories by Plan, by Update and by the twin, and
// checks after every step that they agree and break no law. STEELYARD_MODEL_STEPS
// sets the number of steps.
func TestModel(t *testing.T) {
	steps := 5000
	if s := os.Getenv("STEELYARD_MODEL_STEPS"); s != "" {
		steps, _ = strconv.Atoi(s)
	}
	const history = 250
	for seed := range uint64(steps / history) {
		if runModel(t, seed, history); t.Failed() {
			return
		}
	}
}

func runModel(t *testing.T, seed uint64, steps int) {
	m := &model{rnd: rand.New(rand.NewPCG(seed, 1)), svcs: map[config.Key]*config.Service{}}
	m.editPools()
	var l, u Ledger
	var slow twin
	for step := range steps {
		m.changed, m.gone, m.repooled = map[config.Key]bool{}, nil, step == 0
		for range 1 + m.rnd.IntN(3) {
			m.act(l)
		}
		if m.rnd.IntN(40) == 0 { // a new leader: statuses are all it knows
			l, u, slow, m.repooled = Ledger{}, Ledger{}, twin{}, true
		}
		want := m.requests()
		before := l
		l, _ = plan(before, m.pools, want)
		if m.repooled {
			u, _ = plan(u, m.pools, want)
		} else {
			u, _ = update(u, m.changes(want), m.gone)
		}
		slow = slow.plan(m.pools, want)
		at := fmt.Sprintf("seed %d step %d", seed, step)
		for _, req := range want {
			key := req.Service.Key
			compareEntries(t, at+" twin", key, l.Entry(key), slow.entries[key])
			compareEntries(t, at+" Update", key, l.Entry(key), u.Entry(key))
		}
		m.laws(t, at, before, l, want)
		if t.Failed() {
			return
		}
	}
}

func compareEntries(t *testing.T, at string, key config.Key, a, b *Entry) {
	t.Helper()
	if (a == nil) != (b == nil) {
		t.Errorf("%s: %v: %v against %v", at, key, a, b)
		return
	}
	if a == nil {
		return
	}
	if !slices.Equal(a.Held, b.Held) || !slices.Equal(a.Leaving, b.Leaving) || (a.Refusal == nil) != (b.Refusal == nil) {
		t.Errorf("%s: %v holds %v leaving %v refused %v, against %v leaving %v refused %v",
			at, key, a.Held, a.Leaving, a.Refusal, b.Held, b.Leaving, b.Refusal)
	}
}

func (m *model) requests() []Request {
	var out []Request
	for _, s := range m.svcs {
		by := s.Type != config.LoadBalancer || s.Class != ""
		if !by || len(s.Addrs) > 0 {
			out = append(out, Request{Service: s, Bystander: by})
		}
	}
	return out
}

// changes splits what happened for Update: a Service that is no request any
// more counts as gone.
func (m *model) changes(want []Request) (changed []Request) {
	named := map[config.Key]bool{}
	for _, req := range want {
		named[req.Service.Key] = true
		if m.changed[req.Service.Key] {
			changed = append(changed, req)
		}
	}
	for key := range m.changed {
		if !named[key] {
			m.gone = append(m.gone, key)
		}
	}
	return changed
}

func (m *model) act(l Ledger) {
	switch n := m.rnd.IntN(100); {
	case n < 25:
		m.create()
	case n < 40:
		m.edit(m.reshape)
	case n < 75:
		m.edit(func(s *config.Service) { writeStatus(s, l) })
	case n < 80:
		m.edit(func(s *config.Service) { s.Addrs = []netip.Addr{m.addr()} })
	case n < 95:
		if s := m.any(); s != nil {
			delete(m.svcs, s.Key)
			m.gone = append(m.gone, s.Key)
		}
	default:
		m.editPools()
		m.repooled = true
	}
}

// writeStatus is what the controller writes, seen in a snapshot.
func writeStatus(s *config.Service, l Ledger) {
	e := l.Entry(s.Key)
	if e != nil && (e.Bystander || e.Refusal != nil && e.Refusal.Reason == ForeignAddress) {
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
	key := config.Key{Namespace: pickOne(m.rnd, "t", "u"), Name: fmt.Sprintf("s%02d", m.rnd.IntN(24))}
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
	s.Class = pickOne(r, "", "", "", "", "", "", "", "other")
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

// editPools makes three disjoint pools of a few addresses each.
func (m *model) editPools() {
	m.pools = nil
	for i := range uint64(3) {
		p := &config.Pool{Name: fmt.Sprintf("p%d", i), AutoAssign: m.rnd.IntN(5) > 0, AvoidBuggyIPs: m.rnd.IntN(2) == 0}
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
