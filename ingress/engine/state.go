package engine

import (
	"crypto/tls"
	"math/rand/v2"
	"net/netip"
	"time"
	"unsafe"

	"github.com/steelyard-lb/steelyard/ingress/balance"
	"github.com/steelyard-lb/steelyard/ingress/http"
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
		spec := balance.Spec{Policy: cfg.Pools[i].Policy}
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

// led is where a request goes.
type led struct {
	pool   *pool  // who serves it; nil: nobody
	rule   string // that says so
	target []byte // the path that they are asked for, in normal form
}

// lead finds who serves a request, or why it is not passed on.
func (s *state) lead(r *http.Request) (l led, err error) {
	if s == nil {
		return l, errStarting
	}
	if err := s.bound(r.Length); err != nil {
		return l, err
	}
	if l.target, err = http.CleanPath(nil, r.Path); err != nil {
		return l, err
	}
	to, ok := s.Router.Route(view(r.Method), view(r.Authority), view(l.target))
	switch {
	case !ok:
		return l, errNoRoute
	case to.Answer != nil:
		return l, &given{to.Answer}
	}
	l.pool, l.rule = &s.pools[to.Pool], to.Rule
	switch p := &s.Pools[to.Pool]; {
	case len(p.Endpoints) == 0 && p.Fault != "":
		return l, &http.Error{Status: errNoneReady.Status, Reason: p.Fault}
	case len(p.Endpoints) == 0:
		return l, errNoneReady
	case p.Protocol == HTTP2 && r.Upgrades() != nil:
		return l, errNoUpgrade
	}
	return l, nil
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

// pick chooses an endpoint, not avoid if there is another. The pool must not be
// empty.
func (p *pool) pick(avoid *endpoint, now time.Time) *endpoint {
	ask := balance.Ask{Now: now.Sub(epoch), Random: rand.Uint64()}
	if avoid != nil {
		ask.Avoid = avoid.Endpoint
	}
	return p.endpoints[p.balance.Pick(ask)]
}
