package ipam

import "math/bits"

// free returns the lowest number from from to to that has no value. With
// avoid, addresses that end in .0 or .255 do not count.
func (s space[V]) free(from, to wide, avoid bool) (wide, bool) {
	avoid = avoid && s.v4
	for !to.less(from) {
		a, ok := from, true
		if s.root != nil && s.root.covers(from) {
			if a, ok = s.root.free(from, avoid); !ok {
				a = s.root.end()
			}
		}
		if a.less(from) { // past the last address there is
			return wide{}, false
		}
		if avoid && buggy(a) { // at most two in a row
			from = a.plus(wide{lo: 1})
			continue
		}
		return a, !to.less(a)
	}
	return wide{}, false
}

func buggy(a wide) bool { return a.lo&0xff == 0 || a.lo&0xff == 0xff }

// end is the first address after n.
func (n *node[V]) end() wide { return n.base.plus(wide{lo: 1}.shl(n.shift + 6)) }

// free returns the lowest free address of n at or after from, which n covers.
func (n *node[V]) free(from wide, avoid bool) (wide, bool) {
	taken := n.full
	if avoid {
		taken = n.tight
	}
	for slot := n.slot(from); slot < 64; slot++ {
		if slot = slot + uint(bits.TrailingZeros64(^taken>>slot)); slot >= 64 {
			break
		}
		start := n.base.plus(wide{lo: uint64(slot)}.shl(n.shift))
		if start.less(from) {
			start = from
		}
		i, ok := n.at(slot)
		if !ok || n.shift == 0 || !n.kids[i].covers(start) {
			return start, true
		}
		if a, ok := n.kids[i].free(start, avoid); ok {
			return a, true
		}
		if a := n.kids[i].end(); n.covers(a) && n.slot(a) == slot {
			return a, true // the kid covers less than the slot
		}
	}
	return wide{}, false
}

// count is how many numbers from from to to that have a value.
func (s space[V]) count(from, to wide) int64 {
	if s.root == nil || to.less(from) {
		return 0
	}
	return s.root.countIn(from, to)
}

func (n *node[V]) countIn(from, to wide) int64 {
	last := n.end().minus(wide{lo: 1})
	if last.less(from) || to.less(n.base) {
		return 0
	}
	if !n.base.less(from) && !to.less(last) {
		return n.count
	}
	lo, hi := uint(0), uint(63)
	if n.base.less(from) {
		lo = n.slot(from)
	}
	if to.less(last) {
		hi = n.slot(to)
	}
	if n.shift == 0 {
		return int64(bits.OnesCount64(n.present >> lo << lo << (63 - hi)))
	}
	sum := int64(0)
	first, _ := n.at(lo)
	beyond := bits.OnesCount64(n.present & (^uint64(0) >> (63 - hi)))
	for _, kid := range n.kids[first:beyond] {
		sum += kid.countIn(from, to)
	}
	return sum
}

// next returns the lowest number at or after from that has a value.
func (s space[V]) next(from wide) (a wide, v V, ok bool) {
	if s.root == nil {
		return a, v, false
	}
	return s.root.next(from)
}

func (n *node[V]) next(from wide) (a wide, v V, ok bool) {
	slot := uint(0)
	switch {
	case n.covers(from):
		slot = n.slot(from)
	case n.base.less(from):
		return a, v, false
	}
	for ; slot < 64; slot++ {
		if slot += uint(bits.TrailingZeros64(n.present >> slot)); slot >= 64 {
			break
		}
		i, _ := n.at(slot)
		if n.shift == 0 {
			return n.base.plus(wide{lo: uint64(slot)}), n.values[i], true
		}
		if a, v, ok = n.kids[i].next(from); ok {
			return a, v, true
		}
	}
	return a, v, false
}
