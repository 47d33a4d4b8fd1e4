package hpack

import "bytes"

// table is a dynamic table (section 2.3.2). Entries are numbered in the order of
// their insertion, by numbers that may wrap around.
type table struct {
	max, size uint32 // in the bytes of section 4.1

	text []byte // of all entries, the oldest first; what is before head is gone
	head int
	base uint32 // where text begins in the text of all times

	ring        []entry // as long as a power of two; entry n is at n modulo length
	first, next uint32  // numbers of the oldest entry, and of the one to come
}

type entry struct {
	at          uint32 // in the text of all times
	name, value uint32 // lengths

	// For an encoder: the hash of the name, and the number of the entry before
	// it that is found at the same place.
	hash, prev uint32
}

const minRing = 16

func (t *table) len() uint32 { return t.next - t.first }

// has tells whether the entry of that number is still, or already, there.
func (t *table) has(number uint32) bool { return number-t.first < t.len() }

// at returns an entry that the table has.
func (t *table) at(number uint32) *entry { return &t.ring[number&uint32(len(t.ring)-1)] }

// textOf is the name and, behind it, the value.
func (t *table) textOf(e *entry) []byte {
	at := e.at - t.base
	return t.text[at : at+e.name+e.value]
}

func (t *table) nameOf(e *entry) []byte {
	at := e.at - t.base
	return t.text[at : at+e.name]
}

func (t *table) valueOf(e *entry) []byte {
	at := e.at - t.base + e.name
	return t.text[at : at+e.value]
}

// resize sets the maximum (section 4.3).
func (t *table) resize(max uint32) {
	t.max = max
	t.evict(0)
}

// evict makes room for an entry of that size.
func (t *table) evict(size uint32) {
	for t.size > 0 && t.size+size > t.max {
		e := t.at(t.first)
		t.size -= e.name + e.value + overhead
		t.head += int(e.name + e.value)
		t.first++
	}
}

// add inserts an entry, which must not be text of the table itself, and returns
// it; nil if it is larger than the table, which empties it (section 4.4).
func (t *table) add(name, value []byte) *entry {
	size := uint32(len(name) + len(value) + overhead)
	if size > t.max {
		t.evict(t.max)
		return nil
	}
	t.evict(size)
	if live := len(t.text) - t.head; len(t.text)+len(name)+len(value) > cap(t.text) && t.head >= live {
		t.text = append(t.text[:0], t.text[t.head:]...)
		t.base += uint32(t.head)
		t.head = 0
	}
	if int(t.len()) == len(t.ring) {
		t.grow()
	}
	e := t.at(t.next)
	*e = entry{at: t.base + uint32(len(t.text)), name: uint32(len(name)), value: uint32(len(value))}
	t.text = append(append(t.text, name...), value...)
	t.size += size
	t.next++
	return e
}

// grow doubles the ring.
func (t *table) grow() {
	old := *t
	t.ring = make([]entry, max(minRing, 2*len(old.ring)))
	for n := t.first; n != t.next; n++ {
		*t.at(n) = *old.at(n)
	}
}

// is tells whether an entry has that name, of that hash.
func (t *table) is(e *entry, h uint32, name []byte) bool {
	return e.hash == h && bytes.Equal(t.nameOf(e), name)
}
