package balance

import (
	"time"

	"github.com/steelyard-lb/steelyard/config/maglev"
)

// Ask is what the choice for a request depends on.
type Ask struct {
	Now    time.Duration
	Random uint64    // all bits of it
	Key    uint64    // for Hash: of a field, a cookie or the client's address
	Token  string    // of the client's cookie; "": it has none
	Avoid  *Endpoint // was asked in vain; may be nil
}

// An endpoint near is busy with so many requests, if one far has less than half of
// them.
const busyFrom = 8

// Pick chooses a member, and returns its index; -1 if the pool is empty. Better ones
// come first: near before far, those that stay before those that go. If all are
// passed over, none is.
func (p *Pool) Pick(a Ask) int {
	if i := p.known(&a); i >= 0 {
		return i
	}
	if p.policy == Hash {
		if i := p.hashed(&a); i >= 0 {
			return i
		}
	}
	near := p.choose(&p.near, &a)
	if near < 0 || p.busy(near) {
		if far := p.choose(&p.far, &a); far >= 0 && (near < 0 || p.idler(far, near)) {
			return far
		}
	}
	if near >= 0 {
		return near
	}
	return p.last(&a)
}

// last chooses where nobody is left who stays and is up.
func (p *Pool) last(a *Ask) int {
	if i := p.choose(&p.leaving, a); i >= 0 {
		return i
	}
	return p.panicking(a)
}

func (p *Pool) busy(i int) bool { return p.members[i].Endpoint.InFlight() >= busyFrom }

// idler tells whether one member has less than half as much to do as another.
func (p *Pool) idler(i, than int) bool {
	return 2*p.members[i].Endpoint.InFlight() < p.members[than].Endpoint.InFlight()
}

// choose takes one of a tier who is up, by the policy; -1 if there is none.
func (p *Pool) choose(t *tier, a *Ask) int {
	if len(t.list) == 0 {
		return -1
	}
	if p.policy == LeastLoaded && len(t.list) > 1 {
		if i := p.ofTwo(t, a); i >= 0 {
			return i
		}
	}
	return p.inTurn(t, a)
}

// ofTwo draws two and takes the one from which an answer is expected earlier; -1 if
// neither is to be asked.
func (p *Pool) ofTwo(t *tier, a *Ask) int {
	n := uint64(len(t.list))
	first := below(a.Random, n)
	second := below(a.Random<<32, n-1)
	if second >= first {
		second++
	}
	i, j := int(t.list[first]), int(t.list[second])
	x, y := p.members[i].Endpoint, p.members[j].Endpoint
	switch goodX, goodY := x.open(a) && t.admits(x, a.Now, maglev.Mix(a.Random)), y.open(a) && t.admits(y, a.Now, maglev.Mix(^a.Random)); {
	case goodX && goodY && y.earlier(x, a.Now):
		return j
	case goodX:
		return i
	case goodY:
		return j
	}
	return -1
}

// open tells whether it may be asked.
func (e *Endpoint) open(a *Ask) bool { return e != a.Avoid && e.up(a.Now) }

// earlier tells whether e is to answer before o. Where little is known the number
// of requests decides.
func (e *Endpoint) earlier(o *Endpoint, now time.Duration) bool {
	mine, theirs := e.expects(now), o.expects(now)
	if mine == 0 || theirs == 0 {
		mine, theirs = 1, 1
	}
	return mine*float64(e.inFlight.Load()+1) < theirs*float64(o.inFlight.Load()+1)
}

// draws is how many are drawn before all are gone through.
const draws = 16

// inTurn takes the next one, or, if that is not to be asked, others by chance, so
// that the burden does not fall on its neighbour alone. One whose share grows is
// taken, too, if there is nobody else.
func (p *Pool) inTurn(t *tier, a *Ask) int {
	n := uint64(len(t.list))
	at := uint64(t.next.Add(1)) % n
	chance, some := a.Random, -1
	for k := range draws + n {
		i := int(t.list[at])
		if e := p.members[i].Endpoint; e.open(a) {
			if t.admits(e, a.Now, chance) {
				return i
			}
			if some < 0 {
				some = i
			}
		}
		chance = maglev.Mix(chance + 1)
		if k < draws {
			at = below(chance<<32, n) // the other half says who is admitted
		} else if at++; at == n {
			at = 0
		}
	}
	return some
}

// panicking chooses although all are passed over: most may be well again. Those that
// go come last; so does whoever was asked in vain.
func (p *Pool) panicking(a *Ask) int {
	some := -1
	for _, t := range []*tier{&p.near, &p.far, &p.leaving} {
		if len(t.list) == 0 {
			continue
		}
		at := int(t.next.Add(1) % uint32(len(t.list)))
		for k := range t.list {
			some = int(t.list[(at+k)%len(t.list)])
			if p.members[some].Endpoint != a.Avoid {
				return some
			}
		}
	}
	return some
}

// below is a number below n by chance, out of the upper half of the bits.
func below(random, n uint64) uint64 { return random >> 32 * n >> 32 }
