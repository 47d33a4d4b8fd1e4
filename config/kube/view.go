package kube

import (
	"maps"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// view is all objects of a process, read by the goroutine that translates.
type view map[kind]*store

// get is what is kept of the object of that kind and key; ok is false if there
// is none.
func get[T any](v view, k kind, key config.Key) (_ T, ok bool) {
	var none T
	s := v[k]
	if s == nil {
		return none, false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	o, ok := s.objects[key].kept.(T)
	return o, ok
}

// list are all objects of that kind, by key.
func list[T any](v view, k kind) []T {
	s := v[k]
	if s == nil {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return inOrder[T](s.objects)
}

// group are the objects of that kind that belong together, by key.
func group[T any](v view, k kind, key config.Key) []T {
	s := v[k]
	if s == nil {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return inOrder[T](s.groups[key])
}

func inOrder[T any](m map[config.Key]item) []T {
	out := make([]T, 0, len(m))
	for _, key := range slices.SortedFunc(maps.Keys(m), config.Key.Compare) {
		if o, ok := m[key].kept.(T); ok {
			out = append(out, o)
		}
	}
	return out
}

// unsynced are the resources that have not been listed yet.
func (v view) unsynced() []string {
	var out []string
	for _, s := range v {
		if !s.hasSynced() {
			out = append(out, s.res.plural)
		}
	}
	slices.Sort(out)
	return out
}
