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
	waits
)

// await bounds a wait.
func (d *downstream) await(what wait, patience time.Duration) {
	d.until[what] = d.w.now() + patience
	d.w.arm(&d.alarm, d.until[what])
}

// endWaits ends those for a request.
func (d *downstream) endWaits() { clear(d.until[forBody:forLinger]) }

// Expire ends the waits whose time has come.
func (d *downstream) Expire() {
	d.rings = 0
	for what := range d.until {
		if at := d.until[what]; at != 0 && at <= d.w.now() {
			d.until[what] = 0
			d.late(wait(what))
		}
		if d.fd < 0 {
			return
		}
	}
	d.run()
	if d.fd < 0 {
		return
	}
	for _, at := range d.until {
		if at != 0 {
			d.w.arm(&d.alarm, at)
		}
	}
}

// late ends a wait.
func (d *downstream) late(what wait) {
	switch {
	case what == forClient:
		d.reset()
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
