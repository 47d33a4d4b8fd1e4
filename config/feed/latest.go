package feed

import "sync"

// Latest is a mailbox with one slot. A value that nobody has taken yet is
// replaced by the next one, so a slow reader never holds up the writer and
// never works on an old value. Any number of goroutines may Put and receive.
type Latest[T any] struct {
	mu    sync.Mutex // makes taking the old value and leaving the new one a single step
	slot  chan T
	merge func(old, next T) T
}

// NewLatest makes an empty mailbox. merge joins a value that was not taken
// with the one that replaces it, so that what the old one said of changes is
// not lost; nil means that the newest value says it all.
func NewLatest[T any](merge func(old, next T) T) *Latest[T] {
	return &Latest[T]{slot: make(chan T, 1), merge: merge}
}

// Put leaves v for the reader. It never blocks.
func (l *Latest[T]) Put(v T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case old := <-l.slot:
		if l.merge != nil {
			v = l.merge(old, v)
		}
	default:
	}
	l.slot <- v // the slot is free: only Put fills it, under the lock
}

// C is where the newest value is received. It is never closed.
func (l *Latest[T]) C() <-chan T { return l.slot }
