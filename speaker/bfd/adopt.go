package bfd

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	mathrand "math/rand/v2"

	"github.com/steelyard-lb/steelyard/speaker/bfd/session"
)

// adopt makes the sessions those that are wanted.
func (l *loop) adopt(wanted []Session, now time.Time) {
	before := l.paths
	l.paths, l.order, l.refused, l.news = make(map[Path]*running, len(wanted)), nil, nil, true
	for _, want := range wanted {
		err := want.Check()
		if l.paths[want.Path] != nil {
			err = errors.New("there is another session with this path: its settings count")
		}
		if err != nil {
			l.refused = append(l.refused, Status{Path: want.Path, Problem: err.Error()})
			continue
		}
		r := before[want.Path]
		if r != nil {
			l.change(r, want, now)
		} else {
			r = l.start(want, now)
		}
		delete(before, want.Path)
		l.paths[want.Path] = r
		l.order = append(l.order, r)
	}
	for _, r := range before {
		l.leave(r, now)
	}
	l.listen()
}

// start begins a session. One with the same path that is still on its way out
// ends now.
func (l *loop) start(want Session, now time.Time) *running {
	if i := slices.IndexFunc(l.leaving, func(r *running) bool { return r.want.Path == want.Path }); i >= 0 {
		l.forget(l.leaving[i])
	}
	discriminator, seq := l.numbers()
	r := &running{want: want, ports: l.ports, machine: session.New(want.Settings, discriminator, seq, now)}
	l.table.add(r)
	l.agenda.add(r, now)
	return r
}

// numbers are a discriminator that no session has, and a sequence number, which
// nobody can foresee.
func (l *loop) numbers() (discriminator, seq uint32) {
	for {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails
		discriminator, seq = binary.BigEndian.Uint32(b[:]), binary.BigEndian.Uint32(b[4:])
		if discriminator != 0 && l.table.byDiscriminator[discriminator] == nil {
			return discriminator, seq
		}
	}
}

// change gives a session other settings.
func (l *loop) change(r *running, want Session, now time.Time) {
	if r.want == want {
		return
	}
	settings := r.want.Settings
	if r.want = want; settings != want.Settings {
		l.heed(r, r.machine.Apply(want.Settings, now, mathrand.Uint32()), now)
		l.agenda.sooner(r, r.next(now))
	}
}

// leave ends a session that nobody wants any more.
func (l *loop) leave(r *running, now time.Time) {
	l.table.hide(r)
	l.heed(r, r.machine.Leave(true, now, mathrand.Uint32()), now)
	r.leaving = true
	l.leaving = append(l.leaving, r)
	l.agenda.sooner(r, r.next(now))
}

// forget ends a session that has left.
func (l *loop) forget(r *running) {
	l.leaving = slices.DeleteFunc(l.leaving, func(o *running) bool { return o == r })
	l.table.remove(r)
	l.agenda.remove(r)
	r.shut()
	l.news = true
}

// listen opens the listeners that the sessions need and closes the others, and
// those whose VRF is gone.
func (l *loop) listen() {
	needed := map[place]bool{}
	for _, list := range [][]*running{l.order, l.leaving} {
		for _, r := range list {
			needed[placeOf(r.want.Path)] = true
		}
	}
	for at, s := range l.listeners {
		if !needed[at] || s.stray() {
			s.close()
			delete(l.listeners, at)
		}
	}
	for at := range l.deaf {
		if !needed[at] {
			delete(l.deaf, at)
		}
	}
	for at := range needed {
		if l.listeners[at] == nil {
			l.open(at)
		}
	}
}

// open opens a listener; if it fails, chores do it again.
func (l *loop) open(at place) {
	beside, err := l.share(at)
	var s *listener
	if err == nil {
		s, err = listen(at, beside)
	}
	why := ""
	if err == nil {
		l.listeners[at] = s
	} else {
		why = fmt.Sprint(err)
	}
	if why != l.deaf[at] {
		l.deaf[at], l.news = why, true
	}
}

// share lets a listener at a place bind beside those that listen for the same in
// other VRFs, and tells whether there are any. To the kernel a socket of the
// default VRF and one of another are in each other's way, unless both let the
// other be. A listener that is alone does not: whoever else did could take its
// packets, unnoticed.
func (l *loop) share(at place) (beside bool, err error) {
	for other, s := range l.listeners {
		if other.is4 == at.is4 && other.multiHop == at.multiHop {
			beside, err = true, errors.Join(err, setOptions(s.fd, []option{reuse}))
		}
	}
	return beside, err
}
