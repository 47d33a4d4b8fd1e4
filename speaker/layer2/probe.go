package layer2

import (
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/speaker/announce"
)

const (
	probeCount = 3                      // probes in one round
	probeEvery = 100 * time.Millisecond // between them, and after the last
	probeAgain = 30 * time.Second       // after somebody answered
	// probeLate is how late a step may be. Who was frozen for longer may have
	// missed an answer, and asks anew.
	probeLate = 250 * time.Millisecond

	never = time.Duration(math.MaxInt64)
)

// probes asks for addresses that no node had before (RFC 5227, 2.1; RFC 4862,
// 5.4). It is pure: times are arguments.
type probes map[netip.Addr]*probe

// probe is one address that is asked for.
type probe struct {
	links   []linkKey
	sent    int            // in this round
	due     time.Duration  // of the next probe or, after the last, of the end
	verdict announce.Probe // of the last round, if known
	known   bool
}

// set makes wanted what is asked for. What is new, or is to be claimed on other
// links than before, is asked for from now.
func (p probes) set(wanted claimSet, now time.Duration) {
	links := map[netip.Addr][]linkKey{}
	for link, addrs := range wanted {
		for addr := range addrs {
			links[addr] = append(links[addr], link)
		}
	}
	for addr := range p {
		if links[addr] == nil {
			delete(p, addr)
		}
	}
	for addr, on := range links {
		slices.SortFunc(on, func(a, b linkKey) int { return strings.Compare(a.name, b.name) })
		if old, ok := p[addr]; !ok || !slices.Equal(old.links, on) {
			p[addr] = &probe{links: on, due: now}
		}
	}
}

// next takes the probes that are due; changed tells of a new verdict.
func (p probes) next(now time.Duration) (out []target, changed bool) {
	for addr, a := range p {
		if now < a.due {
			continue
		}
		if now > a.due+probeLate || a.sent > probeCount {
			a.sent = 0
		}
		if a.sent == probeCount { // and nobody answered
			a.verdict, a.known, a.due = announce.Probe{Free: true}, true, never
			changed = true
			continue
		}
		a.sent, a.due = a.sent+1, now+probeEvery
		for _, link := range a.links {
			out = append(out, target{link, addr})
		}
	}
	return out, changed
}

// unasked notes that the last probe for addr could not be sent, so that nobody
// could answer it. It is sent a moment later.
func (p probes) unasked(addr netip.Addr, now time.Duration) {
	if a, ok := p[addr]; ok && a.sent > 0 && a.sent <= probeCount {
		a.sent, a.due = a.sent-1, now+retryEvery
	}
}

// heard notes that a stranger has addr, or wants it; changed tells that this is
// news.
func (p probes) heard(addr netip.Addr, link linkKey, mac hardware, now time.Duration) (changed bool) {
	a, ok := p[addr]
	if !ok {
		return false
	}
	verdict := announce.Probe{Link: link.name, MAC: mac.String()}
	changed = !a.known || a.verdict != verdict
	a.verdict, a.known = verdict, true
	a.sent, a.due = probeCount+1, now+probeAgain
	return changed
}

// wait is how long until something is due, at most limit.
func (p probes) wait(now, limit time.Duration) time.Duration {
	for _, a := range p {
		limit = min(limit, max(0, a.due-now))
	}
	return limit
}

// verdicts are the results so far.
func (p probes) verdicts() map[netip.Addr]announce.Probe {
	out := make(map[netip.Addr]announce.Probe, len(p))
	for addr, a := range p {
		if a.known {
			out[addr] = a.verdict
		}
	}
	return out
}
