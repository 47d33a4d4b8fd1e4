package config

import (
	"hash/maphash"
	"iter"
	"maps"
	"reflect"
)

// shardCount trades the cost of a change (one shard is copied) against the
// cost of a fresh table; at 10,000 objects a shard holds about 40.
const shardCount = 256

var tableSeed = maphash.MakeSeed()

// Table is an immutable map. [Table.With] returns a changed copy that shares
// all untouched shards, so that one change among many objects costs little.
// The zero Table is empty and ready to use.
type Table[K comparable, V any] struct {
	shards *[shardCount]map[K]V
	size   int
}

// TableOf makes a table that holds what m holds.
func TableOf[K comparable, V any](m map[K]V) Table[K, V] {
	e := Table[K, V]{}.Edit()
	for k, v := range m {
		e.Set(k, v)
	}
	return e.Done()
}

// Len is the number of entries.
func (t Table[K, V]) Len() int { return t.size }

// Get returns the value of k and whether there is one.
func (t Table[K, V]) Get(k K) (V, bool) {
	if t.shards == nil {
		var none V
		return none, false
	}
	v, ok := t.shards[shardOf(k)][k]
	return v, ok
}

// All ranges over the entries in no particular order.
func (t Table[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		if t.shards == nil {
			return
		}
		for _, shard := range t.shards {
			for k, v := range shard {
				if !yield(k, v) {
					return
				}
			}
		}
	}
}

// Differing ranges over the keys that have not the same value in a and b, in no
// particular order. If one was made from the other by edits, it looks only at
// shards that these touched.
func Differing[K, V comparable](a, b Table[K, V]) iter.Seq[K] {
	return func(yield func(K) bool) {
		if a.shards == b.shards {
			return
		}
		for i := range uint64(shardCount) {
			if !differing(a.shard(i), b.shard(i), yield) {
				return
			}
		}
	}
}

// differing yields the keys that have not the same value in a and b, until
// yield has enough, which it tells.
func differing[K, V comparable](a, b map[K]V, yield func(K) bool) bool {
	if reflect.ValueOf(a).UnsafePointer() == reflect.ValueOf(b).UnsafePointer() {
		return true // one map, which nobody changes
	}
	for k, v := range a {
		if other, ok := b[k]; (!ok || other != v) && !yield(k) {
			return false
		}
	}
	for k := range b {
		if _, ok := a[k]; !ok && !yield(k) {
			return false
		}
	}
	return true
}

// Same tells whether a and b hold the same.
func Same[K, V comparable](a, b Table[K, V]) bool {
	if a.size != b.size {
		return false
	}
	for range Differing(a, b) {
		return false
	}
	return true
}

func (t Table[K, V]) shard(i uint64) map[K]V {
	if t.shards == nil {
		return nil
	}
	return t.shards[i]
}

// Edit starts a changed copy of t. t itself never changes.
func (t Table[K, V]) Edit() *Edit[K, V] {
	e := &Edit[K, V]{size: t.size}
	if t.shards != nil {
		e.shards = *t.shards
	}
	return e
}

// Edit collects changes to a [Table]. It is not safe for concurrent use.
type Edit[K comparable, V any] struct {
	shards [shardCount]map[K]V
	owned  [shardCount]bool // shards already copied by this edit
	size   int
}

// Get returns the value of k as edited so far and whether there is one.
func (e *Edit[K, V]) Get(k K) (V, bool) {
	v, ok := e.shards[shardOf(k)][k]
	return v, ok
}

// Set adds or replaces the value of k.
func (e *Edit[K, V]) Set(k K, v V) {
	shard := e.own(shardOf(k))
	if _, ok := shard[k]; !ok {
		e.size++
	}
	shard[k] = v
}

// Delete removes k if it is there.
func (e *Edit[K, V]) Delete(k K) {
	i := shardOf(k)
	if _, ok := e.shards[i][k]; !ok {
		return
	}
	delete(e.own(i), k)
	e.size--
}

// Done is the changed table. The edit must not be used afterwards.
func (e *Edit[K, V]) Done() Table[K, V] {
	return Table[K, V]{shards: &e.shards, size: e.size}
}

func (e *Edit[K, V]) own(i uint64) map[K]V {
	if !e.owned[i] {
		e.owned[i] = true
		if e.shards[i] = maps.Clone(e.shards[i]); e.shards[i] == nil {
			e.shards[i] = map[K]V{}
		}
	}
	return e.shards[i]
}

func shardOf[K comparable](k K) uint64 {
	return maphash.Comparable(tableSeed, k) % shardCount
}
