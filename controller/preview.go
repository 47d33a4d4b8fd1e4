package controller

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ipam"
)

// Fate is what a change of pools would do to one Service.
type Fate string

// The fates, worst first.
const (
	Moves   Fate = "moves"   // another address
	Loses   Fate = "loses"   // one address less
	Refused Fate = "refused" // lacks something that it has, or could have, now
	Kept    Fate = "kept"    // has an address that no pool holds any more
	Gains   Fate = "gains"   // something that it lacks now
)

var fates = []Fate{Moves, Loses, Refused, Kept, Gains}

// ServiceFate is one line of a [Preview].
type ServiceFate struct {
	Service config.Key
	Fate    Fate
	Was, Is []netip.Addr
	Why     string
}

// PoolUse counts the addresses of a pool, see [ipam.PoolUse].
type PoolUse = ipam.PoolUse

// PoolFate is how many addresses a pool has now and would have.
type PoolFate struct {
	Pool    string
	Was, Is PoolUse
	Gone    bool // it is removed
	New     bool
}

// Preview is what a change of pools would do.
type Preview struct {
	Services []ServiceFate // worst first, then by name; those that keep what they have are left out
	Pools    []PoolFate    // all, by name
	Problems []config.Problem
	Same     int // Services whose addresses stay as they are
}

// Disturbs tells whether a Service would move or lose an address.
func (p Preview) Disturbs() bool {
	return slices.ContainsFunc(p.Services, func(s ServiceFate) bool { return s.Fate == Moves || s.Fate == Loses })
}

// Foresee works out what the controller would do if the cluster went from now
// to then, which differ in their pools: by the very plan that it would make.
func Foresee(now, then *config.Snapshot, classes config.Classes, at time.Time) Preview {
	before, _ := ipam.Plan(ipam.Ledger{}, inputOf(now, classes, at))
	after, diff := ipam.Plan(before, inputOf(then, classes, at))
	var out Preview
	for key, svc := range now.Services.All() {
		if !ours(svc, classes) {
			continue
		}
		if f, ok := fateOf(key, before.Entry(key), after.Entry(key), diff); ok {
			out.Services = append(out.Services, f)
		} else {
			out.Same++
		}
	}
	slices.SortFunc(out.Services, func(a, b ServiceFate) int {
		if c := slices.Index(fates, a.Fate) - slices.Index(fates, b.Fate); c != 0 {
			return c
		}
		return a.Service.Compare(b.Service)
	})
	out.Pools = poolFates(before.Use(), after.Use())
	for _, p := range then.Problems {
		if !slices.Contains(now.Problems, p) {
			out.Problems = append(out.Problems, p)
		}
	}
	return out
}

func inputOf(snap *config.Snapshot, classes config.Classes, at time.Time) ipam.Input {
	in := ipam.Input{Pools: snap.Pools, Requests: allRequests(snap, classes), Now: at}
	for _, r := range snap.Reservations.All() {
		in.Reservations = append(in.Reservations, r)
	}
	return in
}

// fateOf compares what a Service has before and after; false: no difference.
func fateOf(key config.Key, was, is *ipam.Entry, diff ipam.Diff) (ServiceFate, bool) {
	f := ServiceFate{Service: key, Was: was.Addrs(), Is: is.Addrs()}
	gone, more := minus(f.Was, f.Is), minus(f.Is, f.Was)
	lost := lostAddrs(is)
	switch {
	case len(gone) > 0 && len(more) > 0:
		f.Fate, f.Why = Moves, dropText(key, gone, diff)
	case len(gone) > 0:
		f.Fate, f.Why = Loses, dropText(key, gone, diff)
	case refusalOf(is) != "" && refusalOf(was) == "":
		f.Fate, f.Why = Refused, refusalOf(is)
	case len(minus(lost, lostAddrs(was))) > 0:
		f.Fate, f.Why = Kept, goneText(is)
	case len(more) > 0:
		f.Fate = Gains
	default:
		return f, false
	}
	return f, true
}

func refusalOf(e *ipam.Entry) string {
	if e == nil || e.Refusal == nil {
		return ""
	}
	return e.Refusal.Text()
}

func lostAddrs(e *ipam.Entry) (out []netip.Addr) {
	if e == nil {
		return nil
	}
	for _, h := range e.Held {
		if h.Lost {
			out = append(out, h.Addr)
		}
	}
	return out
}

func dropText(key config.Key, gone []netip.Addr, diff ipam.Diff) string {
	i := slices.IndexFunc(diff.Services, func(c ipam.Change) bool { return c.Key() == key })
	if i < 0 {
		return ""
	}
	var words []string
	for _, addr := range gone {
		words = append(words, whyDropped(addr, diff.Services[i].Dropped))
	}
	return strings.Join(slices.Compact(words), "; ")
}

func poolFates(was, is []ipam.PoolUse) []PoolFate {
	var out []PoolFate
	for _, u := range was {
		i := slices.IndexFunc(is, func(o ipam.PoolUse) bool { return o.Pool == u.Pool })
		f := PoolFate{Pool: u.Pool, Was: u, Gone: i < 0}
		if i >= 0 {
			f.Is = is[i]
		}
		out = append(out, f)
	}
	for _, u := range is {
		if !slices.ContainsFunc(was, func(o ipam.PoolUse) bool { return o.Pool == u.Pool }) {
			out = append(out, PoolFate{Pool: u.Pool, Is: u, New: true})
		}
	}
	slices.SortFunc(out, func(a, b PoolFate) int { return strings.Compare(a.Pool, b.Pool) })
	return out
}
