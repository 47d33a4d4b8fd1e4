package engine

import (
	"crypto/tls"
	"math/rand/v2"
	"net/netip"
	"time"
	"unsafe"

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
	name      string
	endpoints []*endpoint
	plain     bool          // they speak HTTP/1.1 without TLS, as loops do
	balance   *balance.Pool // of the same, in the same order
}

// newState makes a state for so many loops that shares the endpoints that both have
// with the one before.
func newState(cfg Config, before *state, loops int) *state {
	s := &state{Config: cfg, pools: make([]pool, len(cfg.Pools)), tls: cfg.TLS.config(), endpoints: map[place]*endpoint{}}
	for i := range cfg.Pools {
		at := place{protocol: cfg.Pools[i].Protocol}
		if t := cfg.Pools[i].TLS; t != nil {
			at.secure, at.tls = true, *t
		}
		s.pools[i].name = cfg.Pools[i].Name
		s.pools[i].plain = at.protocol == HTTP1 && !at.secure
		spec := balance.Spec{Policy: cfg.Pools[i].Policy, Secret: []byte(cfg.Pools[i].Secret)}
		for _, at.addr = range cfg.Pools[i].Endpoints {
			e := s.endpoint(at, before, loops)
			s.pools[i].endpoints = append(s.pools[i].endpoints, e)
			spec.Members = append(spec.Members, balance.Member{Endpoint: e.Endpoint})
		}
		s.pools[i].balance = balance.New(spec, rand.Uint32()) // not every swap begins with the same one
	}
	return s
}

func (s *state) endpoint(at place, before *state, loops int) *endpoint {
	e := s.endpoints[at]
	if e == nil && before != nil {
		e = before.endpoints[at]
	}
	if e == nil {
		e = newEndpoint(at, loops)
	}
	s.endpoints[at] = e
	return e
}

// view is b as a string, for those who do not keep it.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// trusts tells whether a peer's word about the client is taken.
func (s *state) trusts(peer netip.Addr) bool {
	for _, p := range s.Trusted {
		if p.Contains(peer) {
			return true
		}
	}
	return false
}

// pick chooses an endpoint: the one that the token of a client's cookie names, but not
// avoid if there is another. The pool must not be empty.
func (p *pool) pick(avoid *endpoint, token string, now time.Time) *endpoint {
	ask := balance.Ask{Now: now.Sub(epoch), Random: rand.Uint64(), Token: token}
	if avoid != nil {
		ask.Avoid = avoid.Endpoint
	}
	return p.endpoints[p.balance.Pick(ask)]
}
