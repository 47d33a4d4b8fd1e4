package ipam

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// Ledger knows who has which address, who may have one back and what is kept
// for whom. It is immutable; the zero Ledger is empty and ready to use.
type Ledger struct {
	layout *layout
	claims *claims
	book   book
	waits  config.Table[config.Key, map[string]string] // who lacks something → namespace labels
	groups config.Table[group, []netip.Addr]           // addresses that are shared, sorted
	used   addrs[tenants]
	kept   addrs[struct{}] // the used ones that nobody has: they rest or are reserved

	memories  config.Table[netip.Addr, *Memory]
	rests     space[netip.Addr]                      // addresses that rest, by the end of the rest
	rested    config.Table[config.Key, []netip.Addr] // the same, by the Service they are kept for
	turn      uint64                                 // grows with each rest
	wear      wear
	standings config.Table[config.Key, Standing] // of manual reservations
}

// Entry is all that the ledger knows of one Service. It must not be modified.
type Entry struct {
	Service *config.Service
	Held    []Held   // in the order of the Service's families
	Refusal *Refusal // why something is missing or amiss; nil: all is well
	aside   *aside   // nil, as nearly always: nothing of that
}

// aside is what few entries know.
type aside struct {
	bystander bool
	leaving   []netip.Addr
}

// newEntry is an entry with room for one address, as nearly all have.
func newEntry(req *Request) *Entry {
	e := &struct {
		Entry
		room [1]Held
	}{Entry: Entry{Service: req.Service}}
	e.Held = e.room[:0]
	if req.Bystander {
		e.aside = &aside{bystander: true}
	}
	return &e.Entry
}

// Bystander tells whether the Service is not ours to serve.
func (e *Entry) Bystander() bool { return e.aside != nil && e.aside.bystander }

// Leaving are the addresses that are not the Service's own any more, but that
// its status still shows.
func (e *Entry) Leaving() []netip.Addr {
	if e.aside == nil {
		return nil
	}
	return e.aside.leaving
}

// leave adds addr to those that e is leaving.
func (e *Entry) leave(addr netip.Addr) {
	if e.aside == nil {
		e.aside = &aside{}
	}
	e.aside.leaving = append(e.aside.leaving, addr)
}

// of tells whether e is what was made of that very request.
func (e *Entry) of(req *Request) bool {
	return e != nil && e.Service == req.Service && e.Bystander() == req.Bystander
}

// Held is one address of a Service.
type Held struct {
	Addr netip.Addr
	Pool string // where it came from; "" if never known
	Gone bool   // that pool no longer holds the address: kept until somebody decides
	Lost bool   // nor does another pool: speakers announce it no more
}

// Addrs are the addresses held, in order.
func (e *Entry) Addrs() []netip.Addr {
	if e == nil || len(e.Held) == 0 {
		return nil
	}
	out := make([]netip.Addr, len(e.Held))
	for i, h := range e.Held {
		out[i] = h.Addr
	}
	return out
}

// Pools names the pools that the addresses came from, as the annotation
// steelyard.io/ip-allocated-from-pool does: one name, or one for each address,
// with commas between, if they differ.
func (e *Entry) Pools() string {
	if e == nil || len(e.Held) == 0 {
		return ""
	}
	names := make([]string, len(e.Held))
	for i, h := range e.Held {
		names[i] = h.Pool
	}
	if len(slices.Compact(slices.Clone(names))) == 1 {
		return names[0]
	}
	return strings.Join(names, ",")
}

// empty tells whether there is nothing to remember.
func (e *Entry) empty() bool {
	return len(e.Held) == 0 && len(e.Leaving()) == 0 && e.Refusal == nil
}

// waitsOnly tells whether e has no address in any way.
func (e *Entry) waitsOnly() bool {
	return e != nil && len(e.Held)+len(e.Leaving()) == 0
}

// leaves tells whether e had addr and lost it, and its status still shows it.
func (e *Entry) leaves(addr netip.Addr) bool {
	return e != nil && !e.Bystander() && !e.foreign() && slices.Contains(e.Leaving(), addr)
}

// foreign tells whether the Service's status was written by somebody else.
func (e *Entry) foreign() bool {
	return e.Refusal != nil && e.Refusal.Reason == ForeignAddress
}

// occupies tells whether addr is held or leaving.
func (e *Entry) occupies(addr netip.Addr) bool {
	return e.holds(addr) || slices.Contains(e.Leaving(), addr)
}

// has is holds, of an entry that may be nil.
func (e *Entry) has(addr netip.Addr) bool { return e != nil && e.holds(addr) }

func (e *Entry) holds(addr netip.Addr) bool {
	for i := range e.Held {
		if e.Held[i].Addr == addr {
			return true
		}
	}
	return false
}

// Entry returns what is known of a Service, or nil.
func (l Ledger) Entry(key config.Key) *Entry { return l.book.get(key) }

// Len is the number of Services with an entry.
func (l Ledger) Len() int { return l.book.size }

// Refusals lists every Service that waits for something, oldest first.
func (l Ledger) Refusals() []*Refusal {
	var waiting []*Entry
	for key := range l.waits.All() {
		waiting = append(waiting, l.Entry(key))
	}
	slices.SortFunc(waiting, func(a, b *Entry) int { return elder(a.Service, b.Service) })
	out := make([]*Refusal, len(waiting))
	for i, e := range waiting {
		out[i] = e.Refusal
	}
	return out
}

// Waiting counts the Services that wait for something, by reason.
func (l Ledger) Waiting() map[Reason]int {
	out := map[Reason]int{}
	for key := range l.waits.All() {
		out[l.Entry(key).Refusal.Reason]++
	}
	return out
}

// Holders lists the Services that occupy addr, holders and those it is leaving.
func (l Ledger) Holders(addr netip.Addr) []config.Key {
	var out []config.Key
	for e := range l.tenants(addr).all() {
		out = append(out, e.Service.Key)
	}
	slices.SortFunc(out, config.Key.Compare)
	return out
}

func (l *Ledger) tenants(addr netip.Addr) tenants {
	t, _ := l.used.get(addr)
	return t
}

// elder orders Services by age, then by name: who asked first is served first.
func elder(a, b *config.Service) int {
	if c := a.Created.Compare(b.Created); c != 0 {
		return c
	}
	return a.Key.Compare(b.Key)
}
