package lan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Word is an answer: who gave it, by hardware address, and when.
type Word struct {
	From string
	At   time.Time
}

// Talk is all that was asked and answered about one address, in order.
type Talk struct {
	Addr    netip.Addr
	Asked   []time.Time
	Answers []Word
}

// Between is the part of the talk from a time on and until before another.
func (t Talk) Between(from, until time.Time) Talk {
	within := func(at time.Time) bool { return !at.Before(from) && at.Before(until) }
	out := Talk{Addr: t.Addr}
	for _, at := range t.Asked {
		if within(at) {
			out.Asked = append(out.Asked, at)
		}
	}
	for _, w := range t.Answers {
		if within(w.At) {
			out.Answers = append(out.Answers, w)
		}
	}
	return out
}

// Speakers are those who answered, in order of their first word.
func (t Talk) Speakers() []string {
	var out []string
	for _, w := range t.Answers {
		if !slices.Contains(out, w.From) {
			out = append(out, w.From)
		}
	}
	return out
}

// pauseLimit is how long a speaker may be silent within one stretch.
const pauseLimit = 150 * time.Millisecond

// stretch is a time in which somebody answered all along.
type stretch struct {
	who         string
	first, last time.Time
}

// Timeline tells in milliseconds from a moment on who answered from when until
// when; name makes a name of a hardware address.
func (t Talk) Timeline(from time.Time, name func(mac string) string) string {
	var all []*stretch
	open := map[string]*stretch{}
	for _, w := range t.Answers {
		s := open[w.From]
		if s == nil || w.At.Sub(s.last) > pauseLimit {
			s = &stretch{who: w.From, first: w.At}
			open[w.From], all = s, append(all, s)
		}
		s.last = w.At
	}
	var out []string
	for _, s := range all {
		if s.last.After(from.Add(-pauseLimit)) {
			out = append(out, fmt.Sprintf("%s %d to %d", name(s.who), s.first.Sub(from).Milliseconds(), s.last.Sub(from).Milliseconds()))
		}
	}
	if out == nil {
		return "nobody"
	}
	return strings.Join(out, ", ")
}
