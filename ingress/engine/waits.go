package engine

import "time"

// wait is what a client's connection may wait for.
type wait uint8

const (
	forRequest  wait = iota // its first byte, and then its whole head
	forClient               // to take what is pending
	forBody                 // of the request
	forConnect              // to the endpoint
	forBackend              // to take what is pending
	forAnswer               // or its next piece
	forContinue             // the backend's word on it
	forGone                 // to look whether a client that sends no more is there
	forLinger
	forLeave // to hear that no more streams are to be opened
	waits
)

// timing is what is waited for, and until when.
type timing struct {
	alarm
	until [waits]time.Duration // since epoch, when a wait is over; 0: there is none
}

// await bounds a wait.
func (w *worker) await(t *timing, what wait, patience time.Duration) {
	t.until[what] = w.now() + patience
	w.arm(&t.alarm, t.until[what])
}

// overdue returns a wait whose time has come, and ends it.
func (t *timing) overdue(now time.Duration) (what wait, ok bool) {
	for what, at := range t.until {
		if at != 0 && at <= now {
			t.until[what] = 0
			return wait(what), true
		}
	}
	return 0, false
}

// again has the alarm ring for the waits that there are.
func (w *worker) again(t *timing) {
	for _, at := range t.until {
		if at != 0 {
			w.arm(&t.alarm, at)
		}
	}
}

func (d *downstream) await(what wait, patience time.Duration) { d.w.await(&d.timing, what, patience) }

// endWaits ends those for a request.
func (t *timing) endWaits() { clear(t.until[forBody:forLinger]) }

// Expire ends the waits whose time has come.
func (d *downstream) Expire() {
	d.rings = 0
	for what, ok := d.overdue(d.w.now()); ok; what, ok = d.overdue(d.w.now()) {
		if d.late(what); d.fd < 0 {
			return
		}
	}
	if d.run(); d.fd >= 0 {
		d.w.again(&d.timing)
	}
}

// late ends a wait.
func (d *downstream) late(what wait) {
	switch {
	case what == forClient:
		d.reset()
	case d.two != nil && d.phase == serving:
		d.two.late(what)
	case d.x != nil:
		d.x.late(what)
	case d.pending() > 0: // of the last answer: see watch
		d.await(what, lastWait)
	case what == forRequest && len(d.in.bytes()) > 0:
		d.refuse(errSlowHead)
	default:
		d.close()
	}
}

// watch bounds the time in which the client has to take what is pending.
func (d *downstream) watch() {
	switch {
	case d.pending() == 0:
		d.until[forClient] = 0
	case d.until[forClient] == 0:
		d.await(forClient, d.w.e.opts.Client)
	}
}
