package h2

import "time"

// Limits bound what the other side may do. Sizes are in bytes. What is not
// greater than 0 is taken from [DefaultLimits].
type Limits struct {
	Streams         uint32 // at once: REFUSED_STREAM
	ExtendedConnect bool   // of a server: take extended CONNECT (RFC 8441)

	HeaderList    int // name, value and 32 of all fields of a head ([Head.TooLarge])
	HeaderBlock   int // a head as it comes, compressed
	Continuations int // frames that a head is continued in

	StreamWindow uint32 // received of one stream and not consumed
	ConnWindow   uint32 // of all streams; at least 65,535

	// Output is how much may wait to be written before Send takes no more, and a
	// server looks at no further request. The heads of open streams, and answers to
	// control frames, come on top: they are bounded by Streams and by Answers.
	Output  int
	Answers int // frames that only answer others, waiting to be written

	// Resets are streams that end early, because the other side resets them or
	// makes us do so.
	Resets Rate
	// Noise are frames that carry nothing: PING, SETTINGS, PRIORITY, WINDOW_UPDATE,
	// GOAWAY, empty DATA, unknown ones. Frames that carry something give a few of them
	// back, so that a busy connection is never short of them.
	Noise Rate
}

// Rate is how often something may happen: PerSecond in the long run, Burst at
// once.
type Rate struct{ Burst, PerSecond int }

// DefaultLimits suit browsers, gRPC, and the proxies of others.
func DefaultLimits() Limits {
	return Limits{
		Streams:       250,
		HeaderList:    64 << 10,
		HeaderBlock:   64 << 10,
		Continuations: 8,
		StreamWindow:  128 << 10,
		ConnWindow:    1 << 20,
		Output:        64 << 10,
		Answers:       1000,
		Resets:        Rate{Burst: 500, PerSecond: 100},
		Noise:         Rate{Burst: 2000, PerSecond: 500},
	}
}

// WithDefaults makes limits under which a connection can work.
func (l Limits) WithDefaults() Limits {
	d := DefaultLimits()
	l.Streams = min(positive(l.Streams, d.Streams), maxStream)
	l.HeaderList = min(positive(l.HeaderList, d.HeaderList), maxWindow)
	l.HeaderBlock = positive(l.HeaderBlock, d.HeaderBlock)
	l.Continuations = positive(l.Continuations, d.Continuations)
	l.StreamWindow = min(positive(l.StreamWindow, d.StreamWindow), maxWindow)
	l.ConnWindow = min(max(positive(l.ConnWindow, d.ConnWindow), startWindow), maxWindow)
	l.Output = positive(l.Output, d.Output)
	l.Answers = positive(l.Answers, d.Answers)
	l.Resets, l.Noise = l.Resets.sound(d.Resets), l.Noise.sound(d.Noise)
	return l
}

// sound keeps a rate to what can be counted in nanoseconds.
func (r Rate) sound(d Rate) Rate {
	return Rate{min(positive(r.Burst, d.Burst), 1<<30), min(positive(r.PerSecond, d.PerSecond), 1e9)}
}

func positive[T int | uint32](n, otherwise T) T {
	if n > 0 {
		return n
	}
	return otherwise
}

// What a frame that carries something gives back of the noise.
const (
	earnedByHead = 8
	earnedByData = 4  // received
	earnedBySend = 16 // those who read little by little update two windows for each piece
)

// budget counts something against its rate, as the time up to which it is paid
// for: each costs a step, and a full budget is a burst of steps in the past.
type budget struct{ paid time.Time }

// spend takes one; false if there is none left.
func (b *budget) spend(now time.Time, r Rate) bool {
	if full := now.Add(-time.Duration(r.Burst) * r.step()); b.paid.Before(full) {
		b.paid = full
	}
	next := b.paid.Add(r.step())
	if next.After(now) {
		return false
	}
	b.paid = next
	return true
}

// earn gives n back. What is more than a burst is forgotten when one is spent.
func (b *budget) earn(n int, r Rate) { b.paid = b.paid.Add(-time.Duration(n) * r.step()) }

func (r Rate) step() time.Duration { return time.Second / time.Duration(r.PerSecond) }
