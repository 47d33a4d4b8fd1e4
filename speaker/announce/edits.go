package announce

import "slices"

// edits are what goes from a sorted list and what comes to it.
type edits[T any] struct{ gone, come []*T }

// replace notes that was, if there is one, makes place for now, if there is one.
func (e *edits[T]) replace(was, now *T) {
	if was != nil {
		e.gone = append(e.gone, was)
	}
	if now != nil {
		e.come = append(e.come, now)
	}
}

// none tells whether there are no edits.
func (e *edits[T]) none() bool { return len(e.gone)+len(e.come) == 0 }

// in is list, sorted by compare, with the edits made. The list itself stays as it
// is, and is the result if there are none. What goes must be in it; nil is empty.
func (e *edits[T]) in(list []T, compare func(a, b T) int) []T {
	gone, come := e.gone, e.come
	size := len(list) + len(come) - len(gone)
	switch {
	case e.none():
		return list
	case size == 0:
		return nil
	}
	byValue := func(a, b *T) int { return compare(*a, *b) }
	slices.SortFunc(gone, byValue)
	slices.SortFunc(come, byValue)
	out := make([]T, 0, size)
	upTo := func(v *T) {
		i, _ := slices.BinarySearchFunc(list, *v, compare)
		out, list = append(out, list[:i]...), list[i:]
	}
	for len(gone)+len(come) > 0 {
		if len(come) == 0 || len(gone) > 0 && byValue(gone[0], come[0]) <= 0 {
			upTo(gone[0])
			list, gone = list[1:], gone[1:]
		} else {
			upTo(come[0])
			out, come = append(out, *come[0]), come[1:]
		}
	}
	return append(out, list...)
}
