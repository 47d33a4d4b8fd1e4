package bfd

import (
	"context"
	"math/rand/v2"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
	"github.com/steelyard-lb/steelyard/speaker/bfd/session"
)

const (
	leastGap   = time.Millisecond      // between two rounds: what comes within it is done together
	chores     = time.Second           // between two looks at what failed, and two updates without news
	updateGap  = 5 * time.Millisecond  // between two updates with news
	stall      = 25 * time.Millisecond // half of the shortest interval
	maxBatches = 64                    // of one listener in a round: a flood must not keep off what is due
)

// loop is the one thread that runs the sessions.
type loop struct {
	*Engine
	alarm     int
	paths     map[Path]*running
	order     []*running // as they were asked for
	leaving   []*running
	refused   []Status // those that cannot be
	table     table
	agenda    agenda
	ports     sourcePorts
	listeners map[place]*listener
	deaf      map[place]string // why there is no listener

	batch   *batch
	buf     []byte
	fds     []unix.PollFd
	news    bool
	changes []Change
	lost    []uint64 // packets, by the reason
	stalls  uint64
	told    time.Time // last update
	looked  time.Time // last chores
}

func newLoop(e *Engine, alarm int) *loop {
	return &loop{
		Engine: e, alarm: alarm, paths: map[Path]*running{}, table: newTable(), ports: sourcePorts{}, listeners: map[place]*listener{},
		deaf: map[place]string{}, batch: new(batch), buf: make([]byte, 0, packet.MaxSize), news: true,
		lost: make([]uint64, len(packet.Discards())+1),
	}
}

func (l *loop) run(ctx context.Context) {
	defer l.close()
	for woken := time.Now(); ctx.Err() == nil; {
		due := l.due(time.Now())
		l.wait(woken.Add(leastGap), due)
		if woken = time.Now(); woken.Sub(due) > stall {
			l.stalls++
		}
		if wanted := l.wanted.Swap(nil); wanted != nil {
			l.adopt(*wanted, woken)
		}
		l.drain() // all that waits is taken in before anybody's silence is judged
		l.step(time.Now())
		l.tell(time.Now())
	}
}

// due is when the loop has to run, at the latest.
func (l *loop) due(now time.Time) time.Time {
	at := min(l.looked.Add(chores).Sub(now), l.told.Add(chores).Sub(now))
	if l.news {
		at = min(at, l.told.Add(updateGap).Sub(now))
	}
	if len(l.agenda) > 0 {
		at = min(at, l.agenda[0].due.Sub(now))
	}
	return now.Add(max(at, 0))
}

// wait returns when something is due, or came; not before least, so that what
// comes one by one is not served one by one.
func (l *loop) wait(least, due time.Time) {
	if d := time.Until(least); d > 0 {
		poll(nil, d)
	}
	l.fds = append(l.fds[:0], unix.PollFd{Fd: int32(l.alarm), Events: unix.POLLIN})
	for _, s := range l.listeners {
		l.fds = append(l.fds, unix.PollFd{Fd: int32(s.fd), Events: unix.POLLIN})
	}
	poll(l.fds, time.Until(due))
	if l.fds[0].Revents != 0 {
		var count [8]byte
		_, _ = unix.Read(l.alarm, count[:])
	}
}

// poll waits for so long, or until one of fds has something. An error is a
// signal to this thread: the next round waits again.
func poll(fds []unix.PollFd, d time.Duration) {
	ts := unix.NsecToTimespec(int64(max(d, 0)))
	_, _ = unix.Ppoll(fds, &ts, nil)
}

// drain takes in what came.
func (l *loop) drain() {
	for at, s := range l.listeners {
		for range maxBatches {
			n, err := l.batch.receive(s.fd)
			if err != nil {
				break
			}
			now := time.Now()
			for i := range n {
				if why := l.take(at, l.batch.at(i), now); why != packet.Kept {
					l.lost[why]++
				}
			}
			if n < batchSize {
				break
			}
		}
	}
}

// take gives a packet to its session.
func (l *loop) take(at place, d datagram, now time.Time) packet.Discard {
	p, why := packet.Parse(d.data)
	if why != packet.Kept {
		return why
	}
	r, why := l.table.find(at, d, p)
	if why != packet.Kept {
		return why
	}
	out, why := r.machine.Receive(p, d.data, now, rand.Uint32())
	if why == packet.Kept {
		r.kept(now)
	}
	l.heed(r, out, now)
	l.agenda.sooner(r, r.next(now))
	return why
}

// heed does what a machine asks for.
func (l *loop) heed(r *running, out session.Output, now time.Time) {
	r.heed(out, l.buf, now)
	l.news = l.news || out.Changed
	if out.From == out.To {
		return
	}
	s := r.machine.Status()
	l.changes = append(l.changes, Change{
		Path: r.want.Path, At: now, From: out.From, To: out.To, Remote: s.Remote, Diag: s.Diag, RemoteDiag: s.RemoteDiag, Detection: s.Detection,
	})
}

// step does what is due.
func (l *loop) step(now time.Time) {
	for len(l.agenda) > 0 && !l.agenda[0].due.After(now) {
		r := l.agenda[0]
		if r.machine.Gone(now) {
			l.forget(r)
			continue
		}
		was := r.problem
		r.mend(now)
		if due := r.machine.Due(); !due.IsZero() && !due.After(now) {
			l.heed(r, r.machine.Step(now, rand.Uint32()), now)
		}
		l.news = l.news || r.problem != was
		// Later than now in any case: no session may hold up the others.
		at := r.next(now)
		if least := now.Add(leastGap); at.Before(least) {
			at = least
		}
		l.agenda.move(r, at)
	}
	if now.Sub(l.looked) >= chores {
		l.looked = now
		l.listen()
	}
}

// tell publishes what is known, if it is news or time.
func (l *loop) tell(now time.Time) {
	since := now.Sub(l.told)
	if since < chores && (!l.news || since < updateGap) {
		return
	}
	u := Update{
		Statuses: make([]Status, 0, len(l.order)+len(l.refused)+len(l.leaving)), Changes: l.changes,
		Discarded: map[string]uint64{}, Stalls: l.stalls,
	}
	for _, why := range packet.Discards() {
		if n := l.lost[why]; n > 0 {
			u.Discarded[why.String()] = n
		}
	}
	for _, r := range l.order {
		u.Statuses = append(u.Statuses, l.status(r))
	}
	u.Statuses = append(u.Statuses, l.refused...)
	for _, r := range l.leaving {
		u.Statuses = append(u.Statuses, l.status(r))
	}
	l.metrics.take(u)
	l.updates.Put(u)
	l.news, l.changes, l.told = false, nil, now
}

func (l *loop) status(r *running) Status {
	s := r.status()
	if why := l.deaf[placeOf(r.want.Path)]; why != "" {
		s.Problem = why
	}
	return s
}

func (l *loop) close() {
	for _, s := range l.listeners {
		s.close()
	}
	for _, list := range [][]*running{l.order, l.leaving} {
		for _, r := range list {
			r.shut()
		}
	}
}
