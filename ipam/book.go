package ipam

import (
	"hash/maphash"
	"iter"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// book is an immutable set of entries by the Service's key, in as little space
// as there can be: a shard is a hash table of pointers, open to linear probing,
// and the key is read from the entry. One change copies one shard.
type book struct {
	shards *[bookShards]*shard
	size   int
}

const bookShards = 256

// shard has a power of two of slots, at most three quarters of them in use.
type shard struct {
	tags    []uint8  // 0: the slot is empty; else some of the hash, so that few entries are looked at
	entries []*Entry // by slot
	size    int
}

var bookSeed = maphash.MakeSeed()

func hashOf(key config.Key) uint64 { return maphash.Comparable(bookSeed, key) }

// tagOf and slotOf use other bits of the hash than the choice of the shard.
func tagOf(hash uint64) uint8 { return uint8(hash>>56) | 1 }

func (s *shard) slotOf(hash uint64) int { return int(hash>>8) & (len(s.entries) - 1) }

// find is the slot of key, or the empty one where it belongs.
func (s *shard) find(key config.Key, hash uint64) (slot int, ok bool) {
	tag := tagOf(hash)
	for slot = s.slotOf(hash); s.tags[slot] != 0; slot = (slot + 1) & (len(s.entries) - 1) {
		if s.tags[slot] == tag && s.entries[slot].Service.Key == key {
			return slot, true
		}
	}
	return slot, false
}

// get returns the entry of key, or nil.
func (b book) get(key config.Key) *Entry {
	if b.size == 0 {
		return nil
	}
	hash := hashOf(key)
	s := b.shards[hash%bookShards]
	if s == nil {
		return nil
	}
	if slot, ok := s.find(key, hash); ok {
		return s.entries[slot]
	}
	return nil
}

// all ranges over the entries, in no particular order.
func (b book) all() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		if b.size == 0 {
			return
		}
		for _, s := range b.shards {
			if s == nil {
				continue
			}
			for slot, tag := range s.tags {
				if tag != 0 && !yield(s.entries[slot]) {
					return
				}
			}
		}
	}
}

// bookEdit collects changes to a book, for room entries or so.
type bookEdit struct {
	book
	room   int
	copied bool             // the list of shards is its own
	owned  [bookShards]bool // and these shards
}

func (b book) edit(room int) *bookEdit { return &bookEdit{book: b, room: max(room, b.size)} }

// own returns a shard that may be changed, with room for one more.
func (e *bookEdit) own(i uint64) *shard {
	if !e.copied {
		shards := new([bookShards]*shard)
		if e.shards != nil {
			*shards = *e.shards
		}
		e.shards, e.copied = shards, true
	}
	s := e.shards[i]
	switch {
	case s == nil:
		s = newShard(e.room / bookShards)
	case (s.size+1)*4 > len(s.entries)*3:
		s = s.grown(max(2*s.size, e.room/bookShards))
	case !e.owned[i]:
		s = &shard{slices.Clone(s.tags), slices.Clone(s.entries), s.size}
	}
	e.shards[i], e.owned[i] = s, true
	return s
}

// newShard has room for n entries.
func newShard(n int) *shard {
	slots := 4
	for slots*3 < (n+1)*4 {
		slots *= 2
	}
	return &shard{tags: make([]uint8, slots), entries: make([]*Entry, slots)}
}

func (s *shard) grown(n int) *shard {
	next := newShard(n)
	for slot, tag := range s.tags {
		if tag != 0 {
			next.put(s.entries[slot], hashOf(s.entries[slot].Service.Key))
		}
	}
	return next
}

// put sets the entry of its key and tells whether there was none.
func (s *shard) put(e *Entry, hash uint64) (added bool) {
	slot, ok := s.find(e.Service.Key, hash)
	s.entries[slot] = e
	if ok {
		return false
	}
	s.tags[slot] = tagOf(hash)
	s.size++
	return true
}

func (e *bookEdit) set(entry *Entry) {
	hash := hashOf(entry.Service.Key)
	if e.own(hash%bookShards).put(entry, hash) {
		e.size++
	}
}

// remove deletes the entry of key, if there is one, and moves up those that
// had to give way to it.
func (e *bookEdit) remove(key config.Key) {
	if e.get(key) == nil {
		return
	}
	hash := hashOf(key)
	s := e.own(hash % bookShards)
	hole, _ := s.find(key, hash)
	last := len(s.entries) - 1
	for slot := (hole + 1) & last; s.tags[slot] != 0; slot = (slot + 1) & last {
		home := s.slotOf(hashOf(s.entries[slot].Service.Key))
		if (slot-home)&last < (slot-hole)&last {
			continue // it is at home after the hole
		}
		s.tags[hole], s.entries[hole] = s.tags[slot], s.entries[slot]
		hole = slot
	}
	s.tags[hole], s.entries[hole] = 0, nil
	s.size--
	e.size--
}
