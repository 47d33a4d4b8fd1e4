package check

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
)

// Book is what one node knows of all targets. It is not safe for concurrent use.
type Book struct {
	self     string
	classes  config.Classes
	services map[config.Key][]Watched
	entries  map[ID]*entry
	words    map[ID]heard // none: nothing is known, and the target is up
	nodes    []checker
	down     l4proxy.Down
	version  int // grows when the assignments change
}

// entry is a target of at least one Service.
type entry struct {
	target Target
	users  map[config.Key]bool
	mine   bool
	judged bool  // by this node's own checks, since it is mine
	rival  int64 // the highest epoch of others' words that contradict them
}

// NewBook makes the empty book of a node that serves these classes.
func NewBook(self string, classes config.Classes) *Book {
	return &Book{self: self, classes: classes, services: map[config.Key][]Watched{}, entries: map[ID]*entry{}, words: map[ID]heard{}}
}

// Take takes in what ch says that changed up to snap.
func (b *Book) Take(snap *config.Snapshot, ch config.Changes, now time.Time) {
	if !ch.All {
		for _, key := range ch.Services {
			b.service(snap, key, now)
		}
		return
	}
	for key := range b.services {
		if _, ok := snap.Services.Get(key); !ok {
			b.service(snap, key, now)
		}
	}
	for key := range snap.Services.All() {
		b.service(snap, key, now)
	}
}

// service makes what is watched of one Service what it is in snap.
func (b *Book) service(snap *config.Snapshot, key config.Key, now time.Time) {
	var next []Watched
	var made map[ID]Target
	if svc, ok := snap.Services.Get(key); ok {
		eps, _ := snap.Endpoints.Get(key)
		next, made = targets(svc, eps, b.classes)
	}
	old := b.services[key]
	if slices.Equal(old, next) {
		return
	}
	for id, t := range made {
		b.use(id, t, key)
	}
	for _, w := range old {
		if _, still := made[w.Target]; !still {
			b.drop(w.Target, key, now)
		}
	}
	if b.services[key] = next; next == nil {
		delete(b.services, key)
	}
	b.review(key)
}

func (b *Book) use(id ID, t Target, key config.Key) {
	e := b.entries[id]
	if e == nil {
		e = &entry{target: t, users: map[config.Key]bool{}}
		b.entries[id] = e
		b.assign(id, e, time.Time{})
	}
	e.users[key] = true
}

func (b *Book) drop(id ID, key config.Key, now time.Time) {
	e := b.entries[id]
	if e == nil {
		return // twice in one Service
	}
	if delete(e.users, key); len(e.users) > 0 {
		return
	}
	b.release(id, e, now)
	delete(b.entries, id)
}

// Meet makes nodes, sorted by name, those of which each target is checked by
// one.
func (b *Book) Meet(nodes []string, now time.Time) {
	if slices.EqualFunc(b.nodes, nodes, func(c checker, name string) bool { return c.name == name }) {
		return
	}
	b.nodes = nil
	for _, name := range nodes {
		b.nodes = append(b.nodes, newChecker(name))
	}
	for id, e := range b.entries {
		b.assign(id, e, now)
	}
}

// assign finds out whether e is this node's to check.
func (b *Book) assign(id ID, e *entry, now time.Time) {
	switch mine := ownerOf(b.nodes, id) == b.self; {
	case mine == e.mine:
	case mine:
		e.mine = true
		b.version++
	default:
		b.release(id, e, now)
	}
}

// release leaves e to the others. What this node found is its last word, which
// lapses if nobody tells the same.
func (b *Book) release(id ID, e *entry, now time.Time) {
	if !e.mine {
		return
	}
	e.mine, e.judged, e.rival = false, false, 0
	b.version++
	if w, ok := b.words[id]; ok {
		w.at = now
		b.words[id] = w
	}
}

// Version grows whenever [Book.Mine] changes.
func (b *Book) Version() int { return b.version }

// Mine are the targets that this node checks, sorted, each with the state that
// is known of it.
func (b *Book) Mine() []Assignment {
	var out []Assignment
	for id, e := range b.entries {
		if e.mine {
			down := b.words[id].Down
			out = append(out, Assignment{Target: e.target, ID: id, Tally: Tally{Down: down, Proven: down}})
		}
	}
	slices.SortFunc(out, func(a, b Assignment) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// State is a backend of a Service that this node checks.
type State struct {
	Service config.Key
	Backend netip.AddrPort
	Down    bool
}

// States are those that this node has checked at least once, sorted.
func (b *Book) States() []State {
	var out []State
	for id, e := range b.entries {
		if !e.judged {
			continue
		}
		for key := range e.users {
			for _, addr := range b.backends(key, id) {
				out = append(out, State{key, addr, b.words[id].Down})
			}
		}
	}
	slices.SortFunc(out, func(a, b State) int {
		return cmp.Or(a.Service.Compare(b.Service), a.Backend.Compare(b.Backend))
	})
	return out
}

// backends are those of a Service whose state is that of the target.
func (b *Book) backends(key config.Key, id ID) (out []netip.AddrPort) {
	for _, w := range b.services[key] {
		if w.Target == id {
			out = append(out, w.Backend)
		}
	}
	return out
}

// Down are the backends that are to be left out.
func (b *Book) Down() l4proxy.Down { return b.down }

// AllDown tells whether every backend of a Service that is checked is down.
func (b *Book) AllDown(key config.Key) bool {
	sick, _ := b.down.Get(key)
	return sick != nil && len(sick.Addrs()) == len(b.services[key])
}

// review makes down what is known of the backends of one Service.
func (b *Book) review(key config.Key) {
	var addrs []netip.AddrPort
	for _, w := range b.services[key] {
		if b.words[w.Target].Down {
			addrs = append(addrs, w.Backend)
		}
	}
	old, _ := b.down.Get(key)
	if slices.Equal(old.Addrs(), addrs) {
		return
	}
	edit := b.down.Edit()
	if edit.Delete(key); len(addrs) > 0 {
		edit.Set(key, l4proxy.NewSick(addrs))
	}
	b.down = edit.Done()
}
