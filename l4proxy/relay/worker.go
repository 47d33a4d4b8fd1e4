package relay

import (
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config/poll"
)

const (
	bufferSize  = 64 << 10
	acceptBatch = 64                     // connections taken in a row
	acceptPause = 100 * time.Millisecond // when there are too many
)

// worker is one loop with what it alone has.
type worker struct {
	e         *Engine
	number    int // of the worker
	loop      *poll.Loop
	listeners []*listener
	conns     map[*conn]struct{}
	pipes     []poll.Pipe // empty ones
	pipeless  time.Time   // until then no more are made
	buf       []byte      // of whoever reads; nothing stays in it
	retry     poll.Timer
	paused    bool   // accepting: until retry
	serial    uint64 // of the last connection
}

func newWorker(e *Engine, number int) (*worker, error) {
	loop, err := poll.New()
	if err != nil {
		return nil, err
	}
	w := &worker{e: e, number: number, loop: loop, conns: map[*conn]struct{}{}, buf: make([]byte, bufferSize)}
	w.retry.Owner = w
	return w, nil
}

// listen opens a listening socket for each family that the host has.
func (w *worker) listen(port uint16) error {
	for _, any := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		fd, err := listen(netip.AddrPortFrom(any, port))
		if err != nil {
			return err
		}
		if fd < 0 {
			continue
		}
		l := &listener{w: w, fd: fd, is6: any.Is6()}
		w.listeners = append(w.listeners, l)
		if err := w.loop.Add(fd, l); err != nil {
			return err
		}
	}
	return nil
}

// obey takes a new table into account: the newest, by which connections may have
// been led already.
func (w *worker) obey() {
	t := w.e.table.Load()
	for c := range w.conns {
		if !c.heads && !t.keeps(c.dst, c.backend) {
			c.orphan(t)
		}
	}
	w.resume() // they wait for the first table
}

// full tells whether no connection can be taken now; it is tried again soon.
func (w *worker) full() bool {
	if w.e.open.Load() < int64(w.e.o.Connections) && w.e.files() < w.e.most {
		return false
	}
	w.hold()
	return true
}

func (w *worker) hold() {
	w.e.full.Add(1)
	w.paused = true
	w.loop.Set(&w.retry, acceptPause)
}

// Expire ends a pause.
func (w *worker) Expire() { w.resume() }

func (w *worker) resume() {
	w.paused = false
	w.loop.Stop(&w.retry)
	for _, l := range w.listeners {
		l.later()
	}
}

// shut lets no new connection begin.
func (w *worker) shut() {
	for _, l := range w.listeners {
		_ = poll.RefuseSYN(l.fd) // without it some may be reset
	}
}

// unlisten takes what the kernel accepted and closes the sockets.
func (w *worker) unlisten() {
	for _, l := range w.listeners {
		l.ready = w.e.table.Load() != nil
		for l.ready && !w.paused {
			l.accept()
		}
		l.close()
	}
	w.listeners = nil
}

func (w *worker) abortAll() {
	for c := range w.conns {
		c.abort()
	}
}

// nextID is unlike that of any other connection.
func (w *worker) nextID() string {
	w.serial++
	id := append([]byte(nil), w.e.id[:]...)
	id = binary.BigEndian.AppendUint64(id, w.serial*uint64(len(w.e.workers))+uint64(w.number))
	return string(id)
}

// close frees what is left after the loop ended.
func (w *worker) close() error {
	w.abortAll()
	for _, l := range w.listeners {
		l.close()
	}
	w.listeners = nil
	for _, p := range w.pipes {
		w.e.closePipe(p)
	}
	w.pipes = nil
	return w.loop.Close()
}

// listener is a listening socket.
type listener struct {
	w     *worker
	fd    int // -1: closed
	is6   bool
	ready bool // there may be connections to take

	queued bool // it has its turn later
}

func (l *listener) close() {
	l.w.loop.CloseFD(l.fd)
	l.fd = -1
}

// Ready takes connections.
func (l *listener) Ready(ev poll.Events) {
	if ev == 0 {
		l.queued = false
	}
	l.ready = true
	if l.fd < 0 || l.w.paused || l.w.e.table.Load() == nil {
		return
	}
	l.accept()
	if l.ready && !l.w.paused {
		l.later()
	}
}

// later has the listener go on when others had their turn.
func (l *listener) later() {
	if !l.queued {
		l.queued = true
		l.w.loop.Later(l)
	}
}

// accept takes some of the connections there are.
func (l *listener) accept() {
	for range acceptBatch {
		if l.w.full() {
			return
		}
		fd, client, errno := poll.Accept(l.fd)
		switch errno {
		case 0:
			l.w.begin(fd, client, l.is6)
		case unix.EAGAIN:
			l.ready = false
			return
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			l.w.hold()
			return
		default: // an error of that connection, which is gone
		}
	}
}
