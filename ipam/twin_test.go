package ipam

import (
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// twin is the slow, obvious Plan: entries in a list, every question answered
// by looking at all of them, every address found by trying one after another.
// It uses the ledger's rules about a single Service or pair (clash, declines,
// unwanted …) and none of its structures.
type twin struct {
	pools   []*config.Pool
	entries map[config.Key]*Entry
}

func (t twin) plan(pools []*config.Pool, want []Request) twin {
	next := twin{pools, map[config.Key]*Entry{}}
	var works, waiting []work
	for _, req := range want {
		was := t.entries[req.Service.Key]
		same := was != nil && was.Service == req.Service && was.Bystander == req.Bystander
		if same && slices.Equal(t.pools, pools) {
			next.entries[req.Service.Key] = was
			if was.Refusal != nil {
				waiting = append(waiting, work{Request: req, was: was, foreign: was.foreign(),
					now: &Entry{Service: was.Service, Held: was.Held, Leaving: was.Leaving}})
			}
			continue
		}
		works = append(works, work{Request: req, was: was, now: &Entry{Service: req.Service, Bystander: req.Bystander}})
	}
	sortElder(works)
	next.keepAll(works)
	for _, w := range waiting {
		next.entries[w.Service.Key] = w.now
	}
	works = append(works, waiting...)
	sortElder(works)
	for i := range works {
		if w := &works[i]; !w.Bystander {
			next.grant(w)
		}
	}
	for _, w := range works {
		if w.now.empty() {
			delete(next.entries, w.Service.Key)
		}
	}
	return next
}

func (t twin) keepAll(works []work) {
	for _, turn := range []string{"held, unchanged", "held, changed", "shown"} {
		for i := range works {
			w := &works[i]
			now := "shown"
			if w.was != nil && len(w.was.Held) > 0 {
				now = "held, changed"
				if w.was.Service == w.Service {
					now = "held, unchanged"
				}
			}
			if w.Bystander || now != turn {
				continue
			}
			claims := []Held(nil)
			if turn != "shown" {
				claims = w.was.Held
			} else {
				claims, w.foreign = (&draft{next: Ledger{layout: layoutOf(t.pools)}}).shown(w)
			}
			for _, h := range claims {
				h = (&draft{next: Ledger{layout: layoutOf(t.pools)}}).attribute(h, w.Service)
				if unwanted(w, h) == "" && t.open(h.Addr, w.Service, true) {
					w.now.Held = append(w.now.Held, h)
					t.entries[w.Service.Key] = w.now
				}
			}
			sortHeld(w.now.Held, w.Service)
		}
	}
	for _, w := range works {
		for _, addr := range w.Service.Addrs {
			if !w.now.occupies(addr) {
				w.now.Leaving = append(w.now.Leaving, addr)
			}
		}
		t.entries[w.Service.Key] = w.now
	}
}

// open tells whether svc may have addr with whoever else has it.
func (t twin) open(addr netip.Addr, svc *config.Service, keep bool) bool {
	for key, e := range t.entries {
		if key == svc.Key || !e.occupies(addr) || keep && !e.holds(addr) {
			continue
		}
		if !e.holds(addr) || clash(svc, e.Service, false) != "" {
			return false
		}
	}
	return true
}

func (t twin) grant(w *work) {
	svc := w.Service
	switch {
	case w.foreign:
		w.now.Refusal = &Refusal{Reason: ForeignAddress}
		return
	case svc.Want.Problem != nil || contradiction(svc) != nil && !svc.Deleted:
		w.now.Refusal = &Refusal{Reason: InvalidRequest}
		return
	case svc.Deleted:
		return
	}
	lack := lacking(w)
	var got []Held
	for _, f := range lack {
		if wish := wishOf(svc, f); wish.IsValid() {
			p := config.PoolOf(t.pools, wish)
			ok := p != nil && (svc.Want.Pool == "" || svc.Want.Pool == p.Name) && t.usable(p, wish) &&
				declines(p, w.Request) == "" && t.open(wish, svc, false)
			if !ok {
				w.now.Refusal = &Refusal{Reason: "wish"}
				return
			}
			got = append(got, Held{Addr: wish, Pool: p.Name})
		}
	}
	got = t.fill(w, lack, got)
	if len(got) < len(lack) {
		w.now.Refusal = &Refusal{Reason: "search"}
		if svc.FamilyPolicy == config.RequireDualStack {
			return
		}
	}
	w.now.Held = append(slices.Clone(w.now.Held), got...)
	sortHeld(w.now.Held, svc)
}

func (t twin) usable(p *config.Pool, addr netip.Addr) bool {
	last := addr.AsSlice()[addr.BitLen()/8-1]
	return !(p.AvoidBuggyIPs && addr.Is4() && (last == 0 || last == 255))
}

// fill finds what got does not have: from one pool if it can, the near one
// first, else family by family.
func (t twin) fill(w *work, lack []config.Family, got []Held) []Held {
	var rest []config.Family
	for _, f := range lack {
		if !wishOf(w.Service, f).IsValid() {
			rest = append(rest, f)
		}
	}
	var order []*config.Pool
	for _, p := range layoutOf(t.pools).auto {
		if w.Service.Want.Pool == "" && declines(p, w.Request) == "" {
			order = append(order, p)
		}
	}
	for _, p := range t.pools {
		if p.Name == w.Service.Want.Pool && declines(p, w.Request) == "" {
			order = append(order, p)
		}
	}
	if i := slices.IndexFunc(order, func(p *config.Pool) bool { return p.Name == near(w, got) }); i > 0 {
		order = slices.Insert(slices.Delete(slices.Clone(order), i, i+1), 0, order[i])
	}
	for _, p := range order {
		if all := t.from([]*config.Pool{p}, rest, w.Service); len(all) == len(rest) {
			return append(got, all...)
		}
	}
	return append(got, t.from(order, rest, w.Service)...)
}

// from tries every address of every pool for each family.
func (t twin) from(order []*config.Pool, families []config.Family, svc *config.Service) (out []Held) {
	for _, f := range families {
		for _, p := range order {
			if addr := t.lowest(p, f, svc); addr.IsValid() {
				out = append(out, Held{Addr: addr, Pool: p.Name})
				break
			}
		}
	}
	return out
}

func (t twin) lowest(p *config.Pool, f config.Family, svc *config.Service) (free netip.Addr) {
	for _, r := range p.Ranges {
		for addr := r.From; r.Contains(addr) && config.FamilyOf(addr) == f; addr = addr.Next() {
			tenants, friend := 0, false
			for _, e := range t.entries {
				if e.occupies(addr) {
					tenants++
					friend = friend || e.holds(addr) && groupOf(e.Service) == groupOf(svc) && svc.Want.ShareKey != ""
				}
			}
			switch {
			case friend && t.usable(p, addr) && t.open(addr, svc, false):
				return addr // sharing comes before a fresh address
			case tenants == 0 && !free.IsValid() && t.usable(p, addr):
				free = addr
			}
		}
	}
	return free
}
