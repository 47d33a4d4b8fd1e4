package ipam

import (
	"iter"

	"github.com/steelyard-lb/steelyard/config"
)

// tenants are who has an address: nearly always one, more if they share it.
type tenants struct {
	first *Entry
	more  *tenants
}

// nobody stands among the tenants of an address that is kept free for somebody:
// it rests, or it is reserved.
var nobody = &Entry{Service: &config.Service{}}

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

// kept tells whether t is nobody and no one else.
func (t tenants) kept() bool { return t.first == nobody && t.more == nil }

// hasNobody tells whether nobody is among t.
func (t tenants) hasNobody() bool {
	for at := &t; at != nil; at = at.more {
		if at.first == nobody {
			return true
		}
	}
	return false
}

// all ranges over the Services among t.
func (t tenants) all() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for at := &t; at != nil && at.first != nil; at = at.more {
			if at.first != nobody && !yield(at.first) {
				return
			}
		}
	}
}
