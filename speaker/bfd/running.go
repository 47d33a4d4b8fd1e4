package bfd

import (
	"time"

	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
	"github.com/steelyard-lb/steelyard/speaker/bfd/session"
)

// reopenAfter paces attempts to send where sending fails. While the session is
// up no packet is left out for it: the peer waits for no more than a few.
const (
	reopenAfter   = time.Second
	reopenAfterUp = session.LeastInterval / 2
)

// running is a session that runs.
type running struct {
	want    Session
	machine *session.Session
	due     time.Time // in the heap
	index   int       // of the heap
	leaving bool

	ports   sourcePorts // of all sessions
	out     *sender     // nil: not open
	tryAt   time.Time
	problem string

	sent     uint64
	received uint64
	ups      uint64
	downs    uint64
	heard    time.Time
	gap      time.Duration
}

// open opens the sender if that is due.
func (r *running) open(now time.Time) {
	if r.out != nil || now.Before(r.tryAt) {
		return
	}
	out, err := dial(r.want.Path, r.ports)
	if err != nil {
		r.fail(err, now)
		return
	}
	r.out, r.problem = out, ""
	r.ports[out.source.Port()] = true
}

// mend opens a sender that is not there. An interface that came back is another
// one to the kernel: while the peer is silent, that is looked for.
func (r *running) mend(now time.Time) {
	if device := r.want.device(); r.out != nil && device != "" && r.machine.Status().State != packet.Up && replaced(r.out.fd, device, r.out.ifindex) {
		r.shut()
	}
	r.open(now)
}

// next is when the session wants to be looked at.
func (r *running) next(now time.Time) time.Time {
	at := now.Add(reopenAfter)
	if due := r.machine.Due(); !due.IsZero() && due.Before(at) {
		at = due
	}
	if r.out == nil && r.tryAt.After(now) && r.tryAt.Before(at) {
		at = r.tryAt
	}
	return at
}

// fail notes why nothing can be sent. A new socket is tried after a while: the
// interface or the address may have come back as another.
func (r *running) fail(err error, now time.Time) {
	pause := reopenAfter
	if r.machine.Status().State == packet.Up {
		pause = reopenAfterUp
	}
	r.problem, r.tryAt = err.Error(), now.Add(pause)
	r.shut()
}

func (r *running) shut() {
	if r.out != nil {
		delete(r.ports, r.out.source.Port())
		r.out.close()
		r.out = nil
	}
}

// heed does what the machine asks for.
func (r *running) heed(o session.Output, buf []byte, now time.Time) {
	if o.Send {
		r.send(o.Packet, buf, now)
	}
	switch {
	case o.From == o.To:
	case o.To == packet.Up:
		r.ups++
		r.gap = 0 // was of the slow packets before
	case o.From == packet.Up:
		r.downs++
	}
}

func (r *running) send(p packet.Packet, buf []byte, now time.Time) {
	if r.open(now); r.out == nil {
		return
	}
	if err := r.out.send(p.Append(buf[:0], r.machine.Key())); err != nil {
		r.fail(err, now)
		return
	}
	r.sent++
}

// kept counts a packet of the peer.
func (r *running) kept(now time.Time) {
	r.received++
	if gap := now.Sub(r.heard); !r.heard.IsZero() {
		if r.gap == 0 {
			r.gap = gap
		}
		r.gap += (gap - r.gap) / 8
	}
	r.heard = now
}

func (r *running) status() Status {
	s := Status{
		Path: r.want.Path, Status: r.machine.Status(), Problem: r.problem, Sent: r.sent, Received: r.received,
		Ups: r.ups, Downs: r.downs, Gap: r.gap, Leaving: r.leaving,
	}
	if r.out != nil {
		s.Source = r.out.source
	}
	return s
}
