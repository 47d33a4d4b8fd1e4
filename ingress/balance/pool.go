package balance

import (
	"sync/atomic"
	"time"
)

// Policy is how one of several endpoints is chosen that are as good as each other
// by all else.
type Policy uint8

// The policies.
const (
	// RoundRobin takes them in turn.
	RoundRobin Policy = iota
	// LeastLoaded draws two and takes the one from which an answer is expected
	// earlier: fewer requests under way, at less latency.
	LeastLoaded
	// Hash takes the same one for the same key as long as it is there and does not
	// have much more to do than the others. Zones do not count.
	Hash
)

// Member is an endpoint in a pool.
type Member struct {
	Endpoint    *Endpoint
	Far         bool // in another zone than this process: only if those near are busy
	Terminating bool // about to go: only if there is no other
}

// Spec is what a [Pool] is made from.
type Spec struct {
	Policy  Policy
	Members []Member // 65,536 at most
	// Secret, if there is one, has the pool know cookies: see [Pool.Token]. Pools
	// with the same secret give an address the same token.
	Secret []byte
}

// Pool is those who can serve some requests. It does not change once it is made.
type Pool struct {
	policy  Policy
	members []Member // the tiers have their indices
	near    tier
	far     tier
	leaving tier
	table   []uint16          // of Hash, see hash.go
	tokens  map[uint64]uint16 // of cookies, see token.go
	secret  []byte
}

// tier is members that are as good as each other.
type tier struct {
	list  []uint16
	next  atomic.Uint32
	since int64 // when the share of the oldest one began to grow
}

// admits tells whether one of the tier takes one more request, by chance as long as
// its share grows. If they are all as new, nobody is held back.
func (t *tier) admits(e *Endpoint, now time.Duration, chance uint64) bool {
	mine := share(e.ramp.Load(), now)
	return mine == 1 || float64(chance>>11)/(1<<53) < mine/share(t.since, now)
}

// New makes a Pool. Two pools of the same members need not begin with the same one:
// start says with which.
func New(spec Spec, start uint32) *Pool {
	p := &Pool{policy: spec.Policy, members: spec.Members, secret: spec.Secret}
	for i, m := range spec.Members {
		t := &p.near
		switch {
		case m.Terminating:
			t = &p.leaving
		case m.Far && spec.Policy != Hash:
			t = &p.far
		}
		if ramp := m.Endpoint.ramp.Load(); len(t.list) == 0 || ramp < t.since {
			t.since = ramp
		}
		t.list = append(t.list, uint16(i))
	}
	for _, t := range []*tier{&p.near, &p.far, &p.leaving} {
		t.next.Store(start)
	}
	if spec.Policy == Hash {
		p.table = p.fill()
	}
	if len(spec.Secret) > 0 {
		p.tokens = p.allTokens()
	}
	return p
}
