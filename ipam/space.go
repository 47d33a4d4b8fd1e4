package ipam

import (
	"math/bits"
	"slices"
)

// space is a persistent ordered map from the addresses of one family to their
// tenants: a trie with 64 slots a node, path-compressed, that knows which of
// its subtrees are full. Finding, adding and removing cost O(depth), at most
// 22 levels for IPv6 and 6 for IPv4, and one path is copied per change.
//
// An [edit] marks the nodes it made itself; those it changes in place.
type space struct {
	root *node
	v4   bool // addresses ending in .0 and .255 exist
}

// edit is one round of changes. The space before it never changes.
type edit struct{ _ byte }

// node covers 64 slots of 1<<shift addresses from base on. A leaf (shift 0)
// has an address per slot. Present slots are packed in kids or tenants.
type node struct {
	made    *edit
	base    wide
	shift   uint
	present uint64
	full    uint64 // slots without a free address
	tight   uint64 // slots without one that ends in other than .0 or .255
	count   int64  // addresses with a tenant
	kids    []*node
	tenants []tenants
}

// tenants are who has an address: nearly always one, more if they share it.
type tenants struct {
	first *Entry
	more  *tenants
}

func (t tenants) add(e *Entry) tenants {
	if t.first == nil {
		return tenants{first: e}
	}
	return tenants{e, &t}
}

// without is t without the Service of e.
func (t tenants) without(e *Entry) tenants {
	if t.more == nil && t.first != nil && t.first.Service.Key == e.Service.Key {
		return tenants{}
	}
	var out tenants
	for at := &t; at != nil; at = at.more {
		if at.first != nil && at.first.Service.Key != e.Service.Key {
			out = out.add(at.first)
		}
	}
	return out
}

func (n *node) slot(a wide) uint { return uint(a.minus(n.base).shr(n.shift).lo) & 63 }

// covers tells whether a lies in the 64 slots of n.
func (n *node) covers(a wide) bool {
	d := a.xor(n.base).shr(n.shift)
	return d.hi == 0 && d.lo < 64
}

// at is where the slot is in kids or tenants, and whether it is present.
func (n *node) at(slot uint) (int, bool) {
	return bits.OnesCount64(n.present & (1<<slot - 1)), n.present>>slot&1 == 1
}

// get returns the tenants of a; none if it is free.
func (s space) get(a wide) tenants {
	for n := s.root; n != nil && n.covers(a); {
		i, ok := n.at(n.slot(a))
		switch {
		case !ok:
			return tenants{}
		case n.shift == 0:
			return n.tenants[i]
		}
		n = n.kids[i]
	}
	return tenants{}
}

// set returns s with t as the tenants of a; no tenants frees it.
func (s space) set(e *edit, a wide, t tenants) space {
	if t.first != nil {
		return space{s.put(e, s.root, a, t), s.v4}
	}
	if s.get(a).first == nil {
		return s
	}
	return space{s.drop(e, s.root, a), s.v4}
}

func (s space) put(e *edit, n *node, a wide, t tenants) *node {
	switch {
	case n == nil:
		n = &node{made: e, base: a.shr(6).shl(6), tight: s.buggySlots(a)}
	case !n.covers(a):
		shift := (a.xor(n.base).bitLen() - 1) / 6 * 6
		up := &node{made: e, base: a.shr(shift + 6).shl(shift + 6), shift: shift}
		up.insertKid(up.slot(n.base), n)
		n = up
	default:
		n = n.own(e)
	}
	slot := n.slot(a)
	i, ok := n.at(slot)
	if n.shift == 0 {
		n.insertTenants(slot, i, ok, t)
		return n
	}
	if !ok {
		n.insertKid(slot, s.put(e, nil, a, t))
		return n
	}
	before := n.kids[i].count
	n.kids[i] = s.put(e, n.kids[i], a, t)
	n.count += n.kids[i].count - before
	n.note(slot, n.kids[i])
	return n
}

func (n *node) insertTenants(slot uint, i int, ok bool, t tenants) {
	if ok {
		n.tenants[i] = t
		return
	}
	n.tenants = slices.Insert(n.tenants, i, t)
	n.present |= 1 << slot
	n.full |= 1 << slot
	n.tight |= 1 << slot
	n.count++
}

func (n *node) insertKid(slot uint, kid *node) {
	i, _ := n.at(slot)
	n.kids = slices.Insert(n.kids, i, kid)
	n.present |= 1 << slot
	n.count += kid.count
	n.note(slot, kid)
}

// note keeps full and tight true after a change below slot. A kid that covers
// less than its slot leaves something free.
func (n *node) note(slot uint, kid *node) {
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
func (s space) drop(e *edit, n *node, a wide) *node {
	n = n.own(e)
	slot := n.slot(a)
	i, _ := n.at(slot)
	n.count--
	if n.shift == 0 {
		n.tenants = slices.Delete(n.tenants, i, i+1)
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
func (n *node) own(e *edit) *node {
	if n.made == e {
		return n
	}
	c := *n
	c.made = e
	c.kids, c.tenants = slices.Clone(n.kids), slices.Clone(n.tenants)
	return &c
}

// buggySlots marks the slots of a's leaf that end in .0 or .255.
func (s space) buggySlots(a wide) uint64 {
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
