package engine

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/steelyard-lb/steelyard/ingress/balance"
)

// state is a Config with the live side of its endpoints.
type state struct {
	Config
	pools     []pool
	endpoints map[netip.AddrPort]*endpoint
}

type pool struct {
	endpoints []*endpoint
	balance   *balance.Pool // of the same, in the same order
}

// newState makes a state that shares the endpoints that both have with the one
// before.
func newState(cfg Config, before *state) *state {
	s := &state{Config: cfg, pools: make([]pool, len(cfg.Pools)), endpoints: map[netip.AddrPort]*endpoint{}}
	for i := range cfg.Pools {
		spec := balance.Spec{Policy: cfg.Pools[i].Policy}
		for _, addr := range cfg.Pools[i].Endpoints {
			e := s.endpoint(addr, before)
			s.pools[i].endpoints = append(s.pools[i].endpoints, e)
			spec.Members = append(spec.Members, balance.Member{Endpoint: e.Endpoint})
		}
		s.pools[i].balance = balance.New(spec, rand.Uint32()) // not every swap begins with the same one
	}
	return s
}

func (s *state) endpoint(addr netip.AddrPort, before *state) *endpoint {
	e := s.endpoints[addr]
	if e == nil && before != nil {
		e = before.endpoints[addr]
	}
	if e == nil {
		e = &endpoint{addr: addr.String(), Endpoint: balance.NewEndpoint(addr, time.Since(epoch))}
	}
	s.endpoints[addr] = e
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

// pick chooses an endpoint, not avoid if there is another. The pool must not be
// empty.
func (p *pool) pick(avoid *endpoint, now time.Time) *endpoint {
	ask := balance.Ask{Now: now.Sub(epoch), Random: rand.Uint64()}
	if avoid != nil {
		ask.Avoid = avoid.Endpoint
	}
	return p.endpoints[p.balance.Pick(ask)]
}
