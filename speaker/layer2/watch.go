package layer2

import (
	"net/netip"
	"sync"
	"time"

	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// Findings are what a [Responder] found out about others on the LAN.
type Findings struct {
	Probes    map[netip.Addr]announce.Probe // of what it was told to ask for, as far as known
	Conflicts []Conflict                    // about what it answers for, sorted
}

// watch joins what readers hear with what Run has to send and the caller wants
// to know.
type watch struct {
	changed chan struct{} // findings are others than before

	mu        sync.Mutex
	probes    probes
	conflicts conflicts
}

func newWatch() *watch {
	return &watch{changed: make(chan struct{}, 1), probes: probes{}, conflicts: conflicts{}}
}

// heard notes that a stranger has addr, or wants it before we have it. It tells
// which of the two it is, and whether that is news.
func (w *watch) heard(addr netip.Addr, link linkKey, mac hardware, now time.Duration) (probed, news bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, probed = w.probes[addr]; probed {
		news = w.probes.heard(addr, link, mac, now)
	} else {
		news = w.conflicts.heard(addr, link, mac, now)
	}
	if news {
		w.tell()
	}
	return probed, news
}

// ask makes wanted what is probed for.
func (w *watch) ask(wanted claimSet, now time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.probes.set(wanted, now)
}

// next is what to send now: probes, and announcements in defence.
func (w *watch) next(claims claimSet, now time.Duration) (ask, defend []target) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ask, judged := w.probes.next(now)
	defend, ended := w.conflicts.next(claims, now)
	if judged || ended {
		w.tell()
	}
	return ask, defend
}

// unasked takes back that addr was asked for just now.
func (w *watch) unasked(addr netip.Addr, now time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.probes.unasked(addr, now)
}

// wait is how long until something is due, at most limit.
func (w *watch) wait(now, limit time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.probes.wait(now, limit)
}

func (w *watch) findings() Findings {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Findings{Probes: w.probes.verdicts(), Conflicts: w.conflicts.list()}
}

func (w *watch) tell() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}
