package announce

import (
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// Decide says what this node announces, and why not where it does not. It is
// a pure function of its input; its lists are sorted, so
// that equal decisions have equal plans.
func Decide(in Input) Decision { return Update(Decision{}, in) }

// Decision is a plan with what it was made from, so that the next one need not
// be made from scratch. The zero Decision is that about nothing. It is immutable.
type Decision struct {
	Plan
	view     *view // nil: none yet
	requests config.Table[config.Key, *request]
	seats    config.Table[netip.Addr, *seat]
	load     loads   // of the nodes, by the addresses that have had an owner
	open     []*site // nobody has had them and some node could, sorted
	away     []*site // those that may go home, sorted
	carried  config.Table[netip.Prefix, []tally]
}

// Silences says why not, for each Service and address that this node says
// nothing of, by one protocol or by any, sorted. It costs a look at all of them.
func (d Decision) Silences() []Silence {
	var out []Silence
	for _, r := range d.requests.All() {
		out = append(out, r.silences...)
	}
	for _, s := range d.seats.All() {
		out = append(out, s.said.silences...)
	}
	slices.SortFunc(out, compareSilences)
	return out
}

// Update makes the decision that [Decide] makes about in, at the cost of what
// changed since prev. It finds that out itself: tables of a snapshot are
// compared by what their edits touched, and objects are never changed, only
// replaced. If something changed that concerns every address, such as a node or
// an advertisement, all is decided anew.
func Update(prev Decision, in Input) Decision {
	v, same := prev.view.on(in)
	if !same {
		prev = Decision{load: make(loads, len(v.nodes))}
	}
	e := newEditor(prev, v)
	e.readServices()
	e.readAddrs()
	e.place()
	e.assign()
	e.speak()
	return e.done()
}
