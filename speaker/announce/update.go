package announce

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// editor carries one Update.
type editor struct {
	view *view
	prev *Decision
	old  Input            // of prev
	snap *config.Snapshot // of now

	requests *config.Edit[config.Key, *request]
	services map[config.Key]bool    // read anew
	touched  map[netip.Addr][]*want // addresses to decide anew, with the wants of services read anew
	fresh    map[netip.Addr]*seat   // seats decided anew

	load       loads
	open, away edits[*site]
	opens      []*site // all that are open now
	aways      []*site // all that are away now
	seats      *config.Edit[netip.Addr, *seat]
	counts     map[netip.Prefix][]tally // prefixes of which more or fewer are carried

	held, unheld, probes edits[Claim]
	offers               edits[Offer]
	exceptions           edits[Silence]
}

func newEditor(prev Decision, v *view) *editor {
	e := &editor{
		view: v, prev: &prev, old: Input{Snap: &config.Snapshot{}}, snap: v.in.Snap,
		requests: prev.requests.Edit(), seats: prev.seats.Edit(), load: slices.Clone(prev.load),
	}
	many := e.snap.Services.Len() // to read, if there is no decision before
	if prev.view != nil {
		e.old, many = prev.view.in, 0
	}
	e.services, e.touched = make(map[config.Key]bool, many), make(map[netip.Addr][]*want, many)
	e.fresh, e.counts = make(map[netip.Addr]*seat, many), make(map[netip.Prefix][]tally, min(many, many*len(e.snap.BGP)))
	return e
}

// readServices reads the Services that may ask for something else than before.
func (e *editor) readServices() {
	for key := range config.Differing(e.old.Snap.Services, e.snap.Services) {
		e.readService(key)
	}
	for key := range config.Differing(e.old.Snap.Endpoints, e.snap.Endpoints) {
		e.readService(key)
	}
	lost := map[netip.Addr]bool{} // addresses that only a reservation makes ours
	for addr := range config.Differing(e.old.Snap.Bound, e.snap.Bound) {
		if config.PoolOf(e.snap.Pools, addr) == nil {
			lost[addr] = true
		}
	}
	if len(lost) == 0 {
		return
	}
	for key, svc := range e.snap.Services.All() {
		if slices.ContainsFunc(svc.Addrs, func(a netip.Addr) bool { return lost[a] }) {
			e.readService(key)
		}
	}
}

func (e *editor) readService(key config.Key) {
	if e.services[key] {
		return
	}
	e.services[key] = true
	was, had := e.prev.requests.Get(key)
	var now *request
	if svc, ok := e.snap.Services.Get(key); ok {
		now = e.view.request(svc)
	}
	switch {
	case now != nil:
		e.requests.Set(key, now)
	case had:
		e.requests.Delete(key)
	}
	for _, w := range was.asks() {
		e.touch(w.addr)
	}
	for _, w := range now.asks() {
		e.touched[w.addr] = append(e.touched[w.addr], w)
	}
}

// touch sees to it that addr is decided anew.
func (e *editor) touch(addr netip.Addr) {
	if _, ok := e.touched[addr]; !ok {
		e.touched[addr] = nil
	}
}

// readAddrs finds the addresses of which something else changed.
func (e *editor) readAddrs() {
	for addr := range config.Differing(e.old.Snap.Claims, e.snap.Claims) {
		e.touch(addr)
	}
	for addr := range config.Differing(e.old.Forward.Ready, e.view.in.Forward.Ready) {
		e.touch(addr)
	}
	was, now := e.old.Probes, e.view.in.Probes
	for addr, p := range now {
		if old, ok := was[addr]; !ok || old != p {
			e.touch(addr)
		}
	}
	for addr := range was {
		if _, ok := now[addr]; !ok {
			e.touch(addr)
		}
	}
}

// place makes the touched sites anew.
func (e *editor) place() {
	for _, addr := range sorted(e.touched) {
		wants := e.touched[addr]
		was, _ := e.prev.seats.Get(addr)
		if was != nil {
			e.account(was.site, -1)
			for _, w := range was.wants {
				if !e.services[w.svc.Key] {
					wants = append(wants, w)
				}
			}
		}
		if was != nil || len(wants) > 0 {
			s := e.view.site(addr, wants)
			e.fresh[addr] = &seat{site: s, owner: s.heir}
			e.account(s, +1)
		}
	}
}

// sorted are the addresses of m in order, which lists are the fastest made in.
func sorted[V any](m map[netip.Addr]V) []netip.Addr {
	return slices.SortedFunc(maps.Keys(m), netip.Addr.Compare)
}

// account takes s into account for the assignment, or out of it.
func (e *editor) account(s *site, by int) {
	was, now := &s, (**site)(nil)
	if by > 0 {
		was, now = nil, &s
	}
	if s.heir >= 0 {
		e.load[s.heir] += by
	}
	if s.open() {
		e.open.replace(was, now)
	}
	if s.away() {
		e.away.replace(was, now)
	}
}

// speak decides what is said about the fresh seats.
func (e *editor) speak() {
	for _, addr := range sorted(e.fresh) {
		s := e.fresh[addr]
		var was said
		if old, ok := e.prev.seats.Get(addr); ok {
			was = old.said
		}
		if len(s.wants) == 0 {
			e.seats.Delete(addr)
		} else {
			s.said = e.view.say(s.site, s.owner)
			e.seats.Set(addr, s)
		}
		e.note(&was, &s.said)
	}
}

// note brings what was said about an address, and is now, into the lists.
func (e *editor) note(was, now *said) {
	if !sameClaim(was.claim, now.claim) {
		e.listOf(was.claim).replace(was.claim, nil)
		e.listOf(now.claim).replace(nil, now.claim)
	}
	if !sameClaim(was.probe, now.probe) {
		e.probes.replace(was.probe, now.probe)
	}
	if !sameOffer(was.offer, now.offer) {
		e.offers.replace(was.offer, now.offer)
	}
	if !slices.Equal(was.exceptions, now.exceptions) {
		for i := range was.exceptions {
			e.exceptions.replace(&was.exceptions[i], nil)
		}
		for i := range now.exceptions {
			e.exceptions.replace(nil, &now.exceptions[i])
		}
	}
	if !slices.Equal(was.carried, now.carried) {
		e.carry(was.carried, -1)
		e.carry(now.carried, +1)
	}
}

// listOf is the list that c, which may be nil, belongs to.
func (e *editor) listOf(c *Claim) *edits[Claim] {
	if c != nil && c.Held {
		return &e.held
	}
	return &e.unheld
}

func (e *editor) done() Decision {
	p := &e.prev.Plan
	carried, sessions := e.sessions()
	return Decision{
		Plan: Plan{
			Held: e.held.in(p.Held, compareClaims), Unheld: e.unheld.in(p.Unheld, compareClaims),
			Probes: e.probes.in(p.Probes, compareClaims), Offers: e.offers.in(p.Offers, compareOffers), Sessions: sessions,
			Exceptions: e.exceptions.in(p.Exceptions, compareSilences),
		},
		view: e.view, requests: e.requests.Done(), seats: e.seats.Done(),
		load: e.load, open: e.opens, away: e.aways, carried: carried,
	}
}
