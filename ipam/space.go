package ipam

import (
	"math/bits"
	"slices"
)

// space is a persistent ordered map from numbers, such as the addresses of one
// family, to values: a trie with 64 slots a node, path-compressed, that knows
// which of its subtrees are full. Finding, adding and removing cost O(depth),
// at most 22 levels for IPv6 and 6 for IPv4, and one path is copied per change.
//
// An [edit] marks the nodes it made itself; those it changes in place.
type space[V any] struct {
	root *node[V]
	v4   bool // numbers are IPv4 addresses: some end in .0 and .255
}

// edit is one round of changes. The space before it never changes.
type edit struct{ _ byte }

// node covers 64 slots of 1<<shift numbers from base on. A leaf (shift 0) has a
// number per slot. Present slots are packed in kids or values.
type node[V any] struct {
	made    *edit
	base    wide
	shift   uint
	present uint64
	full    uint64 // slots without a free number
	tight   uint64 // slots without one that ends in other than .0 or .255
	count   int64  // numbers that have a value
	kids    []*node[V]
	values  []V
}

func (n *node[V]) slot(a wide) uint { return uint(a.minus(n.base).shr(n.shift).lo) & 63 }

// covers tells whether a lies in the 64 slots of n.
func (n *node[V]) covers(a wide) bool {
	d := a.xor(n.base).shr(n.shift)
	return d.hi == 0 && d.lo < 64
}

// at is where the slot is in kids or values, and whether it is present.
func (n *node[V]) at(slot uint) (int, bool) {
	return bits.OnesCount64(n.present & (1<<slot - 1)), n.present>>slot&1 == 1
}

// get returns the value of a, and whether there is one.
func (s space[V]) get(a wide) (v V, ok bool) {
	for n := s.root; n != nil && n.covers(a); {
		i, ok := n.at(n.slot(a))
		switch {
		case !ok:
			return v, false
		case n.shift == 0:
			return n.values[i], true
		}
		n = n.kids[i]
	}
	return v, false
}

// with returns s with v as the value of a.
func (s space[V]) with(e *edit, a wide, v V) space[V] {
	return space[V]{s.put(e, s.root, a, v), s.v4}
}

// without returns s without a.
func (s space[V]) without(e *edit, a wide) space[V] {
	if _, ok := s.get(a); !ok {
		return s
	}
	return space[V]{s.drop(e, s.root, a), s.v4}
}

// size is how many numbers have a value.
func (s space[V]) size() int64 {
	if s.root == nil {
		return 0
	}
	return s.root.count
}

func (s space[V]) put(e *edit, n *node[V], a wide, v V) *node[V] {
	switch {
	case n == nil:
		n = &node[V]{made: e, base: a.shr(6).shl(6), tight: s.buggySlots(a)}
	case !n.covers(a):
		shift := (a.xor(n.base).bitLen() - 1) / 6 * 6
		up := &node[V]{made: e, base: a.shr(shift + 6).shl(shift + 6), shift: shift}
		up.insertKid(up.slot(n.base), n)
		n = up
	default:
		n = n.own(e)
	}
	slot := n.slot(a)
	i, ok := n.at(slot)
	if n.shift == 0 {
		n.insertValue(slot, i, ok, v)
		return n
	}
	if !ok {
		n.insertKid(slot, s.put(e, nil, a, v))
		return n
	}
	before := n.kids[i].count
	n.kids[i] = s.put(e, n.kids[i], a, v)
	n.count += n.kids[i].count - before
	n.note(slot, n.kids[i])
	return n
}

func (n *node[V]) insertValue(slot uint, i int, ok bool, v V) {
	if ok {
		n.values[i] = v
		return
	}
	if len(n.values) == cap(n.values) {
		n.values = slices.Grow(n.values, min(3*len(n.values)+1, 64-len(n.values)))
	}
	n.values = slices.Insert(n.values, i, v)
	n.present |= 1 << slot
	n.full |= 1 << slot
	n.tight |= 1 << slot
	n.count++
}

func (n *node[V]) insertKid(slot uint, kid *node[V]) {
	i, _ := n.at(slot)
	n.kids = slices.Insert(n.kids, i, kid)
	n.present |= 1 << slot
	n.count += kid.count
	n.note(slot, kid)
}

// note keeps full and tight true after a change below slot. A kid that covers
// less than its slot leaves something free.
func (n *node[V]) note(slot uint, kid *node[V]) {
	n.full &^= 1 << slot
	n.tight &^= 1 << slot
	if kid.shift+6 != n.shift {
		return
	}
	if kid.full == ^uint64(0) {
		n.full |= 1 << slot
	}
	if kid.tight == ^uint64(0) {
		n.tight |= 1 << slot
	}
}

// drop returns n without a, which must be there, or nil if nothing is left.
func (s space[V]) drop(e *edit, n *node[V], a wide) *node[V] {
	n = n.own(e)
	slot := n.slot(a)
	i, _ := n.at(slot)
	n.count--
	if n.shift == 0 {
		n.values = slices.Delete(n.values, i, i+1)
		n.present &^= 1 << slot
		n.full &^= 1 << slot
		n.tight = n.present | s.buggySlots(a)
	} else if kid := s.drop(e, n.kids[i], a); kid != nil {
		n.kids[i] = kid
		n.note(slot, kid)
	} else {
		n.kids = slices.Delete(n.kids, i, i+1)
		n.present &^= 1 << slot
	}
	switch {
	case n.count == 0:
		return nil
	case len(n.kids) == 1:
		return n.kids[0]
	}
	return n
}

// own returns n, or a copy of it that e may change.
func (n *node[V]) own(e *edit) *node[V] {
	if n.made == e {
		return n
	}
	c := *n
	c.made = e
	c.kids, c.values = slices.Clone(n.kids), slices.Clone(n.values)
	return &c
}

// buggySlots marks the slots of a's leaf that end in .0 or .255.
func (s space[V]) buggySlots(a wide) uint64 {
	if !s.v4 {
		return 0
	}
	switch a.lo & 0xc0 {
	case 0:
		return 1
	case 0xc0:
		return 1 << 63
	}
	return 0
}
