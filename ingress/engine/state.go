package engine

import (
	"crypto/tls"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"
)

// state is a Config with the live side of its endpoints.
type state struct {
	Config
	pools     []pool
	tls       *tls.Config
	endpoints map[place]*endpoint
}

// place is what makes an endpoint another one.
type place struct {
	addr     netip.AddrPort
	protocol Protocol
	secure   bool
	tls      BackendTLS
}

type pool struct {
	endpoints []*endpoint
	next      atomic.Uint32
}

// newState makes a state that shares the endpoints that both have with the one
// before.
func newState(cfg Config, before *state) *state {
	s := &state{Config: cfg, pools: make([]pool, len(cfg.Pools)), tls: cfg.TLS.config(), endpoints: map[place]*endpoint{}}
	for i := range cfg.Pools {
		s.pools[i].next.Store(rand.Uint32()) // not every swap begins with the same one
		at := place{protocol: cfg.Pools[i].Protocol}
		if t := cfg.Pools[i].TLS; t != nil {
			at.secure, at.tls = true, *t
		}
		for _, at.addr = range cfg.Pools[i].Endpoints {
			s.pools[i].endpoints = append(s.pools[i].endpoints, s.endpoint(at, before))
		}
	}
	return s
}

func (s *state) endpoint(at place, before *state) *endpoint {
	e := s.endpoints[at]
	if e == nil && before != nil {
		e = before.endpoints[at]
	}
	if e == nil {
		e = newEndpoint(at)
	}
	s.endpoints[at] = e
	return e
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
