package ipam

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// model is a small cluster in which everything happens at random: Services and
// reservations come, change and go; statuses and records arrive late or are
// edited by hand; pools are edited; time passes; leaders are replaced.
type model struct {
	rnd      *rand.Rand
	now      time.Time
	pools    []*config.Pool
	reserved map[config.Key]*config.Reservation // by hand
	records  map[config.Key]*config.Reservation // as the API has them
	replan   bool                               // an update would not do
	svcs     map[config.Key]*config.Service
	changed  map[config.Key]bool
	gone     []config.Key

	planned, updated Ledger
	slow             *twin
	last             Input
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
	m := &model{
		rnd: rand.New(rand.NewPCG(seed, 1)), now: noon, slow: &twin{}, svcs: map[config.Key]*config.Service{},
		reserved: map[config.Key]*config.Reservation{}, records: map[config.Key]*config.Reservation{},
	}
	m.editPools()
	for step := range steps {
		m.changed, m.gone, m.replan = map[config.Key]bool{}, nil, step == 0
		at := fmt.Sprintf("seed %d step %d", seed, step)
		m.now = m.now.Add(time.Duration(m.rnd.IntN(20)) * time.Second)
		if step > 0 && m.rnd.IntN(30) == 0 {
			m.forget(t, at+" forgets")
		}
		for range 1 + m.rnd.IntN(3) {
			m.act()
		}
		if m.rnd.IntN(40) == 0 { // a new leader: statuses and records are all it knows
			for range m.rnd.IntN(12) { // much may happen while nobody leads
				m.act()
			}
			m.planned, m.updated, m.slow, m.replan = Ledger{}, Ledger{}, &twin{}, true
		}
		m.fold(t, at)
		if t.Failed() {
			return
		}
	}
}

// fold lets all three plan, and compares.
func (m *model) fold(t *testing.T, at string) {
	before := m.planned
	m.last = Input{Pools: m.pools, Reservations: m.reservations(), Requests: m.requests(), Now: m.now}
	var diff, other Diff
	m.planned, diff = Plan(before, m.last)
	if m.replan {
		m.updated, other = Plan(m.updated, m.last)
	} else {
		m.updated, other = Update(m.updated, Delta{Changed: m.changes(m.last.Requests), Gone: m.gone, Now: m.now})
	}
	m.slow = m.slow.plan(m.last)
	m.compare(t, at)
	if !slices.Equal(diff.Memories, other.Memories) || !slices.EqualFunc(diff.Reservations, other.Reservations, func(a, b config.Key) bool { return a == b }) {
		t.Errorf("%s: Plan changed %v %v, Update %v %v", at, diff.Memories, diff.Reservations, other.Memories, other.Reservations)
	}
	m.laws(t, at, before, diff)
}

// forget lets somebody delete records by hand.
func (m *model) forget(t *testing.T, at string) {
	addrs := []netip.Addr{m.addr(), m.addr()}
	m.last.Forgotten, m.last.Now = addrs, m.now
	m.planned, _ = Plan(m.planned, m.last)
	m.updated, _ = Update(m.updated, Delta{Forgotten: addrs, Now: m.now})
	for _, addr := range addrs {
		maps.DeleteFunc(m.records, func(_ config.Key, r *config.Reservation) bool { return r.Addrs[0] == addr })
		if m.slow.memories[addr].State == config.ReservationReleased {
			delete(m.slow.memories, addr)
			m.slow.woken = append(m.slow.woken, addr)
		}
	}
	m.slow = m.slow.plan(m.last)
	m.compare(t, at)
}

// compare holds Plan, Update and the twin against each other.
func (m *model) compare(t *testing.T, at string) {
	t.Helper()
	for _, req := range m.last.Requests {
		key := req.Service.Key
		compareEntries(t, at+" twin", key, m.planned.Entry(key), m.slow.entries[key])
		compareEntries(t, at+" Update", key, m.planned.Entry(key), m.updated.Entry(key))
	}
	due := time.Time{}
	for name, l := range map[string]Ledger{"Plan": m.planned, "Update": m.updated} {
		n := 0
		for got := range l.Memories() {
			want := m.slow.memories[got.Addr]
			if n++; !got.same(&want) {
				t.Errorf("%s %s: remembers %+v, the twin %+v", at, name, got, want)
			}
		}
		if n != len(m.slow.memories) {
			t.Errorf("%s %s: %d memories, the twin has %d: %v", at, name, n, len(m.slow.memories), m.slow.memories)
		}
		for _, want := range m.slow.memories {
			if want.State == config.ReservationReleased && (due.IsZero() || want.FreeAt.Before(due)) {
				due = want.FreeAt
			}
		}
		if !l.Due().Equal(due) {
			t.Errorf("%s %s: due at %v, want %v", at, name, l.Due(), due)
		}
		m.compareStandings(t, at+" "+name, l)
	}
}

func (m *model) compareStandings(t *testing.T, at string, l Ledger) {
	t.Helper()
	for key, want := range m.slow.stands {
		got, ok := l.Standing(key)
		refused := (got.Refusal == nil) == (want.Refusal == nil)
		got.Refusal, want.Refusal = nil, nil
		if !ok || !refused || !got.same(want) {
			t.Errorf("%s: %v stands as %+v, the twin says %+v", at, key, got, want)
		}
	}
	if l.standings.Len() != len(m.slow.stands) {
		t.Errorf("%s: %d reservations stand, the twin has %d", at, l.standings.Len(), len(m.slow.stands))
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
	if !slices.Equal(a.Held, b.Held) || !slices.Equal(a.Leaving(), b.Leaving()) || (a.Refusal == nil) != (b.Refusal == nil) {
		t.Errorf("%s: %v holds %v leaving %v refused %v, against %v leaving %v refused %v",
			at, key, a.Held, a.Leaving(), a.Refusal, b.Held, b.Leaving(), b.Refusal)
	}
}

func (m *model) requests() []Request {
	var out []Request
	for _, s := range m.svcs {
		by := s.Type != config.LoadBalancer || s.Class == "other"
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
