package hpack

import "bytes"

// Encoder writes header blocks of one connection, in their order.
type Encoder struct {
	table table
	limit uint32 // most that its table may take, whatever the other side allows
	// What the other side must be told when the next block begins: that the table
	// was as small as this once, and is as it is now (section 4.2).
	smallest uint32
	told     uint32

	slots []uint32 // numbers of the newest entries, by the hash of their names
}

// Places for names in an encoder's table, and how many entries are looked at of
// those that share one.
const (
	slotCount = 64
	maxLooks  = 16
)

// NewEncoder returns one whose table takes limit bytes at most. With 0 it has none.
func NewEncoder(limit uint32) Encoder {
	e := Encoder{limit: limit, smallest: DefaultTableSize, told: DefaultTableSize}
	e.Allow(DefaultTableSize)
	return e
}

// Allow takes in the size that the other side allows the table to have.
func (e *Encoder) Allow(size uint32) {
	e.table.resize(min(size, e.limit))
	e.smallest = min(e.smallest, e.table.max)
}

// Begin appends what a block has to begin with: the size of the table, if it has
// changed.
func (e *Encoder) Begin(dst []byte) []byte {
	if e.smallest < e.told && e.smallest < e.table.max {
		dst = appendInteger(dst, 0x20, 5, e.smallest)
		e.told = e.smallest
	}
	if e.told != e.table.max {
		dst = appendInteger(dst, 0x20, 5, e.table.max)
	}
	e.told, e.smallest = e.table.max, e.table.max
	return dst
}

// Append appends a field to a block. The name is in lower case. Fields that hold
// secrets by their nature are written as if they were marked sensitive, others
// whose values hardly ever return are left out of the table.
func (e *Encoder) Append(dst []byte, f Field) []byte {
	h := hash(f.Name)
	name, whole := findStatic(h, f.Name, f.Value)
	p := static[name].policy // index for names that are not there
	if name == cookie && len(f.Value) < shortCookie {
		p = secret
	}
	if f.Sensitive || p == secret {
		return appendLiteral(dst, 0x10, 4, name, f)
	}
	if whole {
		return appendInteger(dst, 0x80, 7, name)
	}
	if p == varies || f.Size() > int(e.table.max)/2 {
		return appendLiteral(dst, 0, 4, name, f)
	}
	dynamic, whole := e.find(h, f.Name, f.Value)
	if whole {
		return appendInteger(dst, 0x80, 7, dynamic)
	}
	if name == 0 {
		name = dynamic
	}
	dst = appendLiteral(dst, 0x40, 6, name, f)
	e.add(h, f.Name, f.Value)
	return dst
}

// Cookies that are shorter than this could be guessed by trying (section 7.1.3).
const (
	cookie      = 32 // in the static table
	shortCookie = 20
)

// find returns the index of an entry that has the name, 0 if none has, and
// whether it has the value too.
func (e *Encoder) find(h uint32, name, value []byte) (i uint32, whole bool) {
	if e.slots == nil {
		return 0, false
	}
	t := &e.table
	n := e.slots[h%slotCount]
	for looks := 0; looks < maxLooks && t.has(n); looks++ {
		at := t.at(n)
		if t.is(at, h, name) {
			if bytes.Equal(t.valueOf(at), value) {
				return staticLen + t.next - n, true
			}
			if i == 0 {
				i = staticLen + t.next - n
			}
		}
		if at.prev-t.first >= n-t.first {
			break // an older one that is gone
		}
		n = at.prev
	}
	return i, false
}

// add inserts a field and makes it the first that is found in its place.
func (e *Encoder) add(h uint32, name, value []byte) {
	if e.slots == nil {
		e.slots = make([]uint32, slotCount)
		e.table.first, e.table.next = 1, 1 // 0 is no number of an entry
	}
	n, slot := e.table.next, &e.slots[h%slotCount]
	if at := e.table.add(name, value); at != nil {
		at.hash, at.prev = h, *slot
		*slot = n
	}
}

// appendLiteral spells a field out, with the name by its index if it has one.
func appendLiteral(dst []byte, kind byte, prefix uint, name uint32, f Field) []byte {
	dst = appendInteger(dst, kind, prefix, name)
	if name == 0 {
		dst = appendText(dst, f.Name)
	}
	return appendText(dst, f.Value)
}

// appendText appends a string in the shorter of its two forms.
func appendText(dst, s []byte) []byte {
	if n := encodedLen(s); n < len(s) {
		return appendEncoded(appendInteger(dst, 0x80, 7, uint32(n)), s)
	}
	return append(appendInteger(dst, 0, 7, uint32(len(s))), s...)
}
