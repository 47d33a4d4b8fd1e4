package engine

import (
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/steelyard-lb/steelyard/ingress/http"
)

// state is a Config with the live side of its endpoints.
type state struct {
	Config
	pools     []pool
	endpoints map[netip.AddrPort]*endpoint
}

type pool struct {
	endpoints []*endpoint
	next      atomic.Uint32
}

// newState makes a state for so many loops that shares the endpoints that both have
// with the one before.
func newState(cfg Config, before *state, loops int) *state {
	s := &state{Config: cfg, pools: make([]pool, len(cfg.Pools)), endpoints: map[netip.AddrPort]*endpoint{}}
	for i := range cfg.Pools {
		s.pools[i].next.Store(rand.Uint32()) // not every swap begins with the same one
		for _, addr := range cfg.Pools[i].Endpoints {
			s.pools[i].endpoints = append(s.pools[i].endpoints, s.endpoint(addr, before, loops))
		}
	}
	return s
}

func (s *state) endpoint(addr netip.AddrPort, before *state, loops int) *endpoint {
	e := s.endpoints[addr]
	if e == nil && before != nil {
		e = before.endpoints[addr]
	}
	if e == nil {
		e = &endpoint{addr: addr.String(), to: addr, stocks: make([]stock, loops)}
	}
	s.endpoints[addr] = e
	return e
}

// lead finds who serves a request, and the path that they are asked for.
func (s *state) lead(r *http.Request) (*pool, []byte, error) {
	if s == nil {
		return nil, nil, errStarting
	}
	if err := s.bound(r.Length); err != nil {
		return nil, nil, err
	}
	target, err := http.CleanPath(nil, r.Path)
	if err != nil {
		return nil, nil, err
	}
	i, ok := s.Router.Route(view(r.Authority), view(target))
	if !ok {
		return nil, nil, errNoRoute
	}
	p := &s.pools[i]
	if len(p.endpoints) == 0 {
		if fault := s.Pools[i].Fault; fault != "" {
			return nil, nil, &http.Error{Status: errNoneReady.Status, Reason: fault}
		}
		return nil, nil, errNoneReady
	}
	return p, target, nil
}

// view is b as a string, for those who do not keep it.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bound holds the size of a request's body against its bound.
func (s *state) bound(size int64) error {
	if s != nil && s.MaxBody > 0 && size > s.MaxBody {
		return errTooLarge
	}
	return nil
}

// trusts tells whether a peer's word about the client is taken.
func (s *state) trusts(peer netip.Addr) bool {
	for _, p := range s.Trusted {
		if p.Contains(peer) {
			return true
		}
	}
	return false
}

// pick chooses an endpoint: the next one in turn, or a random other with fewer
// requests under way. Those that took no connection lately, and avoid, come
// last. The pool must not be empty.
func (p *pool) pick(avoid *endpoint, now time.Time) *endpoint {
	n := len(p.endpoints)
	start := int(p.next.Add(1) % uint32(n))
	var best *endpoint
	for i := range n {
		if e := p.endpoints[(start+i)%n]; e != avoid && e.up(now) {
			best = e
			break
		}
	}
	if best == nil {
		if best = p.endpoints[start]; best == avoid {
			best = p.endpoints[(start+1)%n]
		}
		return best
	}
	if other := p.endpoints[rand.IntN(n)]; other != avoid && other.up(now) && other.inFlight.Load() < best.inFlight.Load() {
		return other
	}
	return best
}
