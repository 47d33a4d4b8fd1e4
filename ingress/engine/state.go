package engine

import (
	"crypto/tls"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/steelyard-lb/steelyard/ingress/balance"
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
	balance   *balance.Pool // of the same, in the same order
}

// newState makes a state that shares the endpoints that both have with the one
// before.
func newState(cfg Config, before *state) *state {
	s := &state{Config: cfg, pools: make([]pool, len(cfg.Pools)), tls: cfg.TLS.config(), endpoints: map[place]*endpoint{}}
	for i := range cfg.Pools {
		at := place{protocol: cfg.Pools[i].Protocol}
		if t := cfg.Pools[i].TLS; t != nil {
			at.secure, at.tls = true, *t
		}
		spec := balance.Spec{Policy: cfg.Pools[i].Policy}
		for _, at.addr = range cfg.Pools[i].Endpoints {
			e := s.endpoint(at, before)
			s.pools[i].endpoints = append(s.pools[i].endpoints, e)
			spec.Members = append(spec.Members, balance.Member{Endpoint: e.Endpoint})
		}
		s.pools[i].balance = balance.New(spec, rand.Uint32()) // not every swap begins with the same one
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

// pick chooses an endpoint, not avoid if there is another. The pool must not be
// empty.
func (p *pool) pick(avoid *endpoint, now time.Time) *endpoint {
	ask := balance.Ask{Now: now.Sub(epoch), Random: rand.Uint64()}
	if avoid != nil {
		ask.Avoid = avoid.Endpoint
	}
	return p.endpoints[p.balance.Pick(ask)]
}
