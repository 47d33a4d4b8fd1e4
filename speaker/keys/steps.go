package keys

import "slices"

// Deed is what a [Step] does.
type Deed int

// The deeds.
const (
	Add  Deed = iota // put the key at the end
	Use              // put the key, which is there, at the beginning
	Drop             // take away the key, which is the last of several
)

// Step changes a ring a little.
type Step struct {
	Deed Deed
	Key  Key
}

// On is r after the step.
func (s Step) On(r Ring) Ring {
	out := r.Without(Ring{s.Key})
	switch s.Deed {
	case Add:
		return append(out, s.Key)
	case Use:
		return append(Ring{s.Key}, out...)
	}
	return out
}

// Steps lead from one ring to one that has the keys of another and the same
// first; the order of the rest does not matter. On the way keys that stay are
// always there, and the first is always the first of from, one that stays, or
// the first of to. Only the last key is ever dropped, since memberlist moves
// the others in memory that is being read.
func Steps(from, to Ring) []Step {
	p := path{ring: from}
	stay, gone := from.Without(from.Without(to)), from.Without(to)
	first := to[0]
	if len(stay) == 0 {
		p.do(Add, first)
	} else if !slices.Contains(stay, first) {
		first = stay[0]
	}
	p.use(first)
	if !p.endsWith(gone) {
		for _, k := range slices.Backward(stay.Without(Ring{first})) {
			p.use(k)
		}
		p.use(first)
	}
	for range gone {
		p.do(Drop, p.ring[len(p.ring)-1])
	}
	for _, k := range to.Without(p.ring) {
		p.do(Add, k)
	}
	p.use(to[0])
	return p.steps
}

// path is the steps so far and the ring that they lead to.
type path struct {
	ring  Ring
	steps []Step
}

func (p *path) do(d Deed, k Key) {
	s := Step{d, k}
	p.steps, p.ring = append(p.steps, s), s.On(p.ring)
}

func (p *path) use(k Key) {
	if p.ring[0] != k {
		p.do(Use, k)
	}
}

// endsWith tells whether the keys of o are the last ones.
func (p *path) endsWith(o Ring) bool {
	return len(p.ring[len(p.ring)-len(o):].Without(o)) == 0
}
