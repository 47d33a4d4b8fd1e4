package host

import (
	"bytes"
	"slices"
)

// Equal tells whether two states are the same.
func (s State) Equal(o State) bool {
	return slices.EqualFunc(s.Links, o.Links, Link.Equal)
}

// Equal tells whether two links are the same in every respect.
func (l Link) Equal(o Link) bool {
	return l.Name == o.Name && l.Index == o.Index && bytes.Equal(l.MAC, o.MAC) && l.MTU == o.MTU &&
		l.Up == o.Up && l.Loopback == o.Loopback && l.Master == o.Master && l.Kind == o.Kind &&
		l.Lower == o.Lower && l.Active == o.Active &&
		slices.Equal(l.Prefixes, o.Prefixes)
}

// Link finds a link by name.
func (s State) Link(name string) (Link, bool) {
	for _, l := range s.Links {
		if l.Name == name {
			return l, true
		}
	}
	return Link{}, false
}
