package discovery

import (
	"net/netip"
	"time"
)

const (
	// A router that was there before us is asked for so often, with pauses
	// (MAX_RTR_SOLICITATIONS and RTR_SOLICITATION_INTERVAL, RFC 4861, 10). One that
	// comes later advertises itself.
	solicitations = 3
	solicitEvery  = 4 * time.Second
	// advertiseEvery is the most there is between two advertisements of ours, what
	// FRR uses for such peers; chance makes it up to a quarter less, so that the
	// nodes of a link do not fall into step (RFC 4861, 6.2.4).
	advertiseEvery = 10 * time.Second
	// advertiseGap is the least (MIN_DELAY_BETWEEN_RAS, RFC 4861, 10).
	advertiseGap = 3 * time.Second
	// answerTime is how long a router may take to answer a solicitation: the gap
	// that it has to keep, its random delay, and time for a busy one.
	answerTime = 5 * time.Second
)

// watch is what is known of the router of a link, and what is due there. Times
// are since any fixed moment.
type watch struct {
	router netip.Addr    // who is taken for the router; invalid: nobody yet
	rival  netip.Addr    // another that advertises itself; invalid: nobody
	judge  time.Duration // when the rival takes the place of a router that has not answered

	asks       int // solicitations to send yet
	nextAsk    time.Duration
	advertised time.Duration // when we last did
	nextTell   time.Duration // when we will
	told       bool          // we did once
}

func newWatch(now time.Duration) watch {
	return watch{asks: solicitations, nextAsk: now, nextTell: now}
}

// heard takes note of a Router Advertisement, and tells whether the router is
// another now. A second router is not believed as long as the first one
// answers: it is asked for.
func (w *watch) heard(from netip.Addr, now time.Duration) (news bool) {
	switch {
	case !w.router.IsValid():
		w.router, w.asks = from, 0
		w.tellSoon(now)
		return true
	case from == w.router:
		w.rival, w.asks = netip.Addr{}, 0
	case !w.rival.IsValid():
		w.rival, w.asks = from, 1
		w.nextAsk = max(now, w.nextAsk)
		w.judge = w.nextAsk + answerTime
	}
	return false
}

// asked takes note of a Router Solicitation: it is answered soon, to everybody
// (RFC 4861, 6.2.6).
func (w *watch) asked(now time.Duration) { w.tellSoon(now) }

// again has sent once more what may not have gone out.
func (w *watch) again(now time.Duration) {
	w.nextTell = now
	if !w.router.IsValid() || w.rival.IsValid() {
		w.asks, w.nextAsk = max(w.asks, 1), now
	}
}

func (w *watch) tellSoon(now time.Duration) {
	soon := now
	if w.told {
		soon = max(now, w.advertised+advertiseGap)
	}
	w.nextTell = min(w.nextTell, soon)
}

// due is what is to be sent now, and whether the router is another. chance is
// from 0 to 1.
func (w *watch) due(now time.Duration, chance float64) (ask, tell, news bool) {
	if w.asks > 0 && now >= w.nextAsk {
		ask = true
		w.asks, w.nextAsk = w.asks-1, now+solicitEvery
	}
	if now >= w.nextTell {
		tell = true
		w.advertised, w.told = now, true
		w.nextTell = now + advertiseEvery - time.Duration(chance*float64(advertiseEvery/4))
	}
	if w.rival.IsValid() && now >= w.judge {
		w.router, w.rival, news = w.rival, netip.Addr{}, true
		w.tellSoon(now)
	}
	return ask, tell, news
}

// wait is how long nothing is due.
func (w *watch) wait(now time.Duration) time.Duration {
	next := w.nextTell
	if w.asks > 0 {
		next = min(next, w.nextAsk)
	}
	if w.rival.IsValid() {
		next = min(next, w.judge)
	}
	return max(next-now, 0)
}
