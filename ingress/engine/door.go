package engine

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config/poll"
)

const (
	// acceptBatch is how many clients are taken in a row.
	acceptBatch = 64
	// acceptPause is how long none are taken when there is a lack of files or memory.
	acceptPause = poll.Tick
)

// door is a listening socket of a loop.
type door struct {
	w    *worker
	addr net.Addr
	fd   int // -1: closed

	paused bool // until retry
	retry  poll.Timer
	queued bool // it has its turn later
}

// takeOver has the loop have the socket of a listener, which is closed.
func (w *worker) takeOver(l *net.TCPListener) error {
	d := &door{w: w, addr: l.Addr(), fd: -1}
	d.retry.Owner = d
	w.doors = append(w.doors, d)
	var err error
	d.fd, err = duplicate(l)
	if err := errors.Join(err, l.Close()); err != nil {
		return fmt.Errorf("listener %v: %w", d.addr, err)
	}
	return w.loop.Add(d.fd, d)
}

// Ready takes clients.
func (d *door) Ready(ev poll.Events) {
	if ev == 0 {
		d.queued = false
	}
	if d.fd < 0 || d.paused {
		return
	}
	if more := d.accept(acceptBatch); more && !d.queued {
		d.queued = true
		d.w.loop.Later(d)
	}
}

// accept takes so many clients at most, and tells whether there may be more.
func (d *door) accept(most int) (more bool) {
	for n := 0; n < most && d.fd >= 0; n++ {
		fd, client, errno := poll.Accept(d.fd)
		switch {
		case errno == 0:
			d.w.e.ended.Add(1)
			d.w.begin(fd, newAsker(client.Addr()), nil, false)
		case errno == unix.EAGAIN:
			return false
		case errno == unix.ECONNABORTED: // that one is gone
		case poll.Passing(errno):
			d.paused = true
			d.w.loop.Set(&d.retry, acceptPause)
			return false
		default:
			d.close()
			d.w.e.fault(fmt.Errorf("listener %v: %w", d.addr, errno))
			return false
		}
	}
	return true
}

// Expire ends a pause.
func (d *door) Expire() {
	d.paused = false
	d.Ready(0)
}

// refuseNew has the kernel begin no more handshakes, and tells whether it will.
func (d *door) refuseNew() (shut bool) {
	if d.fd < 0 {
		return true
	}
	err := poll.RefuseSYN(d.fd)
	if err != nil {
		warnOpen(d.w.e.opts.Logger, d.addr, err)
	}
	return err == nil
}

func (d *door) close() {
	if d.fd >= 0 {
		d.w.loop.Stop(&d.retry)
		d.w.loop.CloseFD(d.fd)
		d.fd = -1
	}
}
