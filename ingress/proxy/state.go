package proxy

import (
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/steelyard-lb/steelyard/ingress/route"
)

// state is all that one request needs to know. It is immutable but for the
// counters that it points to.
type state struct {
	table     *route.Table
	certs     Certificates
	pools     []pool // by route.Route.Group
	endpoints map[netip.AddrPort]*endpoint
}

// pool is the live side of a route.Group.
type pool struct {
	endpoints []*endpoint
	next      atomic.Uint32 // round robin
}

// endpoint is one address that answers requests, with what we know of it.
type endpoint struct {
	addr     string
	inFlight atomic.Int64
	downTill atomic.Int64 // Unix nanoseconds: not asked before, if others are there
}

// ejectFor is how long an endpoint that refused a connection is passed over.
// Its removal from the EndpointSlice usually arrives sooner.
const ejectFor = 2 * time.Second

// newState makes a state that shares with the one before the endpoints that
// both have, so that their counters go on.
func newState(table *route.Table, certs Certificates, before *state) *state {
	groups := table.Groups()
	s := &state{table: table, certs: certs, pools: make([]pool, len(groups)), endpoints: map[netip.AddrPort]*endpoint{}}
	for i, g := range groups {
		s.pools[i].next.Store(rand.Uint32()) // not every swap begins with the same one
		for _, addr := range g.Endpoints {
			s.pools[i].endpoints = append(s.pools[i].endpoints, s.endpoint(addr, before))
		}
	}
	return s
}

func (s *state) endpoint(addr netip.AddrPort, before *state) *endpoint {
	e := s.endpoints[addr]
	if e == nil && before != nil {
		e = before.endpoints[addr]
	}
	if e == nil {
		e = &endpoint{addr: addr.String()}
	}
	s.endpoints[addr] = e
	return e
}

// pick chooses an endpoint: the next one in turn or, if it has fewer requests
// under way, a random other. Endpoints that are down, and avoid, are taken
// only if there is nothing else. The pool must not be empty.
func (p *pool) pick(avoid *endpoint, now time.Time) *endpoint {
	n := len(p.endpoints)
	start := int(p.next.Add(1)) % n
	if n == 1 {
		return p.endpoints[0]
	}
	fit := func(e *endpoint) bool { return e != avoid && e.downTill.Load() <= now.UnixNano() }
	var first *endpoint
	for i := range n {
		if e := p.endpoints[(start+i)%n]; fit(e) {
			first = e
			break
		}
	}
	if first == nil { // all are down: the one in turn, but not the one just tried
		if first = p.endpoints[start]; first == avoid {
			first = p.endpoints[(start+1)%n]
		}
		return first
	}
	if other := p.endpoints[rand.IntN(n)]; fit(other) && other.inFlight.Load() < first.inFlight.Load() {
		return other
	}
	return first
}

func (e *endpoint) eject(now time.Time) { e.downTill.Store(now.Add(ejectFor).UnixNano()) }
