package ipam

import "net/netip"

// addrs is a [space] for each family.
type addrs[V any] struct{ four, six space[V] }

func newAddrs[V any]() addrs[V] { return addrs[V]{four: space[V]{v4: true}} }

func (s addrs[V]) get(addr netip.Addr) (V, bool) {
	if addr.Is4() {
		return s.four.get(wideOf(addr))
	}
	return s.six.get(wideOf(addr))
}

func (s addrs[V]) with(e *edit, addr netip.Addr, v V) addrs[V] {
	if addr.Is4() {
		s.four = s.four.with(e, wideOf(addr), v)
	} else {
		s.six = s.six.with(e, wideOf(addr), v)
	}
	return s
}

func (s addrs[V]) without(e *edit, addr netip.Addr) addrs[V] {
	if addr.Is4() {
		s.four = s.four.without(e, wideOf(addr))
	} else {
		s.six = s.six.without(e, wideOf(addr))
	}
	return s
}

// free returns the lowest address from from to to that has no value, or the
// zero Addr. With avoid, IPv4 addresses that end in .0 or .255 do not count.
func (s addrs[V]) free(from, to netip.Addr, avoid bool) netip.Addr {
	if from.Is4() {
		if a, ok := s.four.free(wideOf(from), wideOf(to), avoid); ok {
			return a.addr4()
		}
	} else if a, ok := s.six.free(wideOf(from), wideOf(to), false); ok {
		return a.addr6()
	}
	return netip.Addr{}
}

// count is how many addresses from from to to have a value.
func (s addrs[V]) count(from, to netip.Addr) int64 {
	if from.Is4() {
		return s.four.count(wideOf(from), wideOf(to))
	}
	return s.six.count(wideOf(from), wideOf(to))
}
