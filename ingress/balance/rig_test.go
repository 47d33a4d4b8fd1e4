package balance

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// old is a time at which endpoints made at 0 have their full share.
const old = time.Hour

var policies = map[string]Policy{"round robin": RoundRobin, "least loaded": LeastLoaded, "hash": Hash}

func address(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 8080)
}

// members are so many endpoints, made at the time 0.
func members(n int) []Member {
	out := make([]Member, n)
	for i := range out {
		out[i].Endpoint = NewEndpoint(address(i), 0)
	}
	return out
}

// world has a pool be asked.
type world struct {
	*Pool
	t *testing.T
	r *rand.Rand
}

func newWorld(t *testing.T, spec Spec) *world {
	t.Helper()
	return &world{New(spec, 7), t, rand.New(rand.NewPCG(1, 2))}
}

// ask asks for one with a random key.
func (w *world) ask(now time.Duration) Ask {
	return Ask{Now: now, Random: w.r.Uint64(), Key: w.r.Uint64()}
}

// counts picks so often, and counts who was.
func (w *world) counts(now time.Duration, picks int) []int {
	w.t.Helper()
	out := make([]int, len(w.members))
	for range picks {
		i := w.Pick(w.ask(now))
		if i < 0 {
			w.t.Fatal("nobody is picked")
		}
		out[i]++
	}
	return out
}

// near tells whether v is want, give or take a part of it.
func near(v int, want, part float64) bool {
	return float64(v) >= want*(1-part) && float64(v) <= want*(1+part)
}

func each(t *testing.T, do func(t *testing.T, p Policy)) {
	for name, p := range policies {
		t.Run(name, func(t *testing.T) { do(t, p) })
	}
}

func (m Member) String() string {
	return fmt.Sprintf("%v far %v going %v", m.Endpoint.addr, m.Far, m.Terminating)
}
