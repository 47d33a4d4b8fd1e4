package member

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// forgetAfter is how long a dead member stays in the view. Until then its
// node's endpoints do not count.
const forgetAfter = 24 * time.Hour

// verdict is how long a member that memberlist found dead is given to object.
// A node too busy to answer for half a second mostly does so within
// milliseconds of the sentence.
const verdict = 100 * time.Millisecond

// view is everything known of the other members. Time is an argument.
type view map[string]entry

type entry struct {
	addr  netip.AddrPort
	meta  meta
	alive bool
	since time.Time // of alive or not
	wait  time.Time // of a restart: until then it counts as alive
}

// up notes that a member joined or changed what it says of itself.
func (v view) up(name string, addr netip.AddrPort, m meta, now time.Time) {
	e, known := v[name]
	if !known || !e.alive {
		e.since = now
	}
	if m.Phase == restarting && e.meta.Phase != restarting {
		e.wait = now.Add(RestartGrace)
	}
	e.addr, e.meta, e.alive = addr, m, true
	v[name] = e
}

// down notes that a member was found dead or said goodbye.
func (v view) down(name string, now time.Time) {
	e, known := v[name]
	if !known {
		return
	}
	if e.meta.Phase == gone {
		delete(v, name) // the speaker went, the node is fine
		return
	}
	e.alive, e.since = false, now
	v[name] = e
}

// members are all members but this one, by name; next is when that changes by
// itself, zero for never.
func (v view) members(now time.Time) (out []announce.Member, next time.Time) {
	for name, e := range v {
		if !e.alive && now.Sub(e.since) > forgetAfter {
			delete(v, name)
			continue
		}
		pending := !e.alive && now.Before(e.since.Add(verdict))
		m := announce.Member{Node: name, Alive: e.alive || pending, Leaving: e.alive && e.meta.Phase == leaving, Links: e.meta.links()}
		if e.alive && e.meta.Phase == gone {
			m.Leaving = true
		}
		if e.meta.Phase == restarting && (e.alive || now.Before(e.wait)) {
			m.Alive, m.Restarting = true, true
			if !e.alive {
				next = earlier(next, e.wait)
			}
		}
		if pending {
			next = earlier(next, e.since.Add(verdict))
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b announce.Member) int { return strings.Compare(a.Node, b.Node) })
	return out, next
}

// earlier is the earlier of two times; zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// missing are the peers that no living member is at.
func (v view) missing(peers []netip.AddrPort, self netip.AddrPort) []netip.AddrPort {
	there := map[netip.AddrPort]bool{self: true}
	for _, e := range v {
		if e.alive {
			there[e.addr] = true
		}
	}
	var out []netip.AddrPort
	for _, p := range peers {
		if !there[p] {
			out = append(out, p)
		}
	}
	return out
}

func equalMembers(a, b []announce.Member) bool { return reflect.DeepEqual(a, b) }
