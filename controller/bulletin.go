package controller

import (
	"errors"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

const (
	noticePause = time.Second            // a Service that changes ten times meanwhile is looked at once
	noticeGap   = 10 * time.Millisecond  // between two writes
	noticeBusy  = 500 * time.Millisecond // the same while addresses are being given
	busyFor     = 2 * time.Second        // after an address was written
	noticeLooks = 100                    // Services looked at before the loop does something else
)

// bulletin holds the Services whose conditions Announced and Forwarding may not
// be right any more. What they shall say is worked out when its time has come. It can wait:
// writes of addresses always go first. It has no clock and no goroutine.
type bulletin struct {
	due   map[config.Key]time.Time
	queue []config.Key // the keys of due, earliest first
	busy  map[config.Key]bool
	next  time.Time // nothing is written before
	fails int       // in a row
}

func newBulletin() *bulletin {
	return &bulletin{due: map[config.Key]time.Time{}, busy: map[config.Key]bool{}}
}

// mark asks to look at a Service again.
func (b *bulletin) mark(key config.Key, now time.Time) {
	if _, ok := b.due[key]; ok {
		return
	}
	b.due[key] = now.Add(noticePause)
	b.queue = append(b.queue, key)
}

// peek is the write that is due first, or nil and how long there is none. look
// makes the write that a Service needs, nil if none.
func (b *bulletin) peek(now time.Time, look func(config.Key) *write) (*write, time.Duration) {
	for range noticeLooks {
		if len(b.queue) == 0 {
			return nil, idleForever
		}
		key := b.queue[0]
		if wait := b.due[key].Sub(now); wait > 0 {
			return nil, wait
		}
		w := look(key)
		switch {
		case w == nil:
			b.pop()
		case b.busy[key]:
			b.pop()
			b.mark(key, now)
		case now.Before(b.next):
			return nil, b.next.Sub(now)
		default:
			return w, 0
		}
	}
	return nil, 0
}

func (b *bulletin) pop() {
	delete(b.due, b.queue[0])
	if b.queue = b.queue[1:]; len(b.queue) == 0 {
		b.queue = nil
	}
}

// begin notes that a worker took w, the first of the queue, and that gap is to
// pass before the next.
func (b *bulletin) begin(w *write, now time.Time, gap time.Duration) {
	b.pop()
	b.busy[w.ref.Key] = true
	b.next = now.Add(gap)
}

// end notes how w went. While writes fail there are ever fewer of them.
func (b *bulletin) end(w *write, err error, now time.Time) {
	delete(b.busy, w.ref.Key)
	if err == nil || errors.Is(err, config.ErrGone) {
		b.fails = 0
		return
	}
	b.fails++
	b.next = now.Add(backoff(b.fails))
	b.mark(w.ref.Key, now)
}
