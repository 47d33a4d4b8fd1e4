package bgp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// edit brings the RIB to the wanted routes. A route that fails leaves the
// others alone.
func (s *session) edit() error {
	routes := tidy(s.wanted.Routes)
	var own6 netip.Addr
	if _, left := resolve(routes, s.set.peer.addr, own6); left > 0 {
		own6 = ownAddr6(s.set.peer.addr, s.set.peer.source, s.set.server.vrf)
	}
	want, left := resolve(routes, s.set.peer.addr, own6)
	edits := diff(s.have, want)
	var errs []error
	var failed []edit
	for _, e := range edits {
		if err := s.srv.apply(e); err != nil {
			errs, failed = append(errs, err), append(failed, e)
		}
	}
	s.have = settled(s.have, want, failed)
	if left > 0 {
		errs = append(errs, fmt.Errorf(
			"%d IPv6 routes held back: no global IPv6 address on the interface towards %s to be their next hop",
			left, s.set.peer.addr))
	}
	s.report(edits)
	return errors.Join(errs...)
}

// settled is what the RIB holds after the edits from have to want, of which
// some failed: there it is as it was.
func settled(have, want []announce.Route, failed []edit) []announce.Route {
	if len(failed) == 0 {
		return want
	}
	bad := make(map[netip.Prefix]bool, len(failed))
	for _, e := range failed {
		bad[e.route.Prefix] = true
	}
	out := slices.DeleteFunc(slices.Clone(want), func(r announce.Route) bool { return bad[r.Prefix] })
	for _, r := range have {
		if bad[r.Prefix] {
			out = append(out, r)
		}
	}
	return tidy(out)
}

// report logs and counts edits.
func (s *session) report(edits []edit) {
	if len(edits) == 0 {
		return
	}
	removed := 0
	for _, e := range edits {
		if e.remove {
			removed++
		}
		level.Debug(s.logger).Log("msg", "route edited", "prefix", e.route.Prefix, "removed", e.remove)
	}
	s.metrics.updates.WithLabelValues(s.name).Add(float64(len(edits)))
	level.Info(s.logger).Log("msg", "routes changed", "set", len(edits)-removed, "removed", removed, "total", len(s.have))
}

// moved takes note of GoBGP's next state.
func (s *session) moved(e event) {
	switch {
	case e.end != nil:
		s.ended(e.end)
		return
	case e.sent && s.fresh == nil:
		s.fresh = time.After(learnTime)
		return
	case e.sent:
		return
	}
	name, ok := stateNames[e.state]
	if !ok || name == s.state.State || name == established && e.port != s.srv.port { // of a peer that is gone
		return
	}
	switch {
	case name == established:
		s.rose()
	case s.state.Up():
		// Asked before the peer is deleted, which has reasons of its own.
		s.fell(s.journal.lastFault())
		s.comeBack()
	case !s.met || name == idle || name == "Active": // before there is a connection the gate's state counts
		return
	default:
		s.state.State = name
	}
	s.publish()
}

// rose begins a time of being Established.
func (s *session) rose() {
	s.agreed = s.srv.agreed(s.set)
	s.upSince = time.Now()
	s.state.State, s.state.Since, s.state.Failing = established, s.upSince, Reason{}
	s.drop = Reason{}
	s.state.ASN = s.agreed.asn
	s.state.HoldTime = time.Duration(s.agreed.holdSeconds) * time.Second
	s.state.Keepalive = time.Duration(s.agreed.keepaliveSeconds) * time.Second
	s.count = time.After(countTime)
	s.completed()
	s.resume()
	s.state.Families = nil
	if s.agreed.v4 {
		s.state.Families = append(s.state.Families, "ipv4")
	}
	if s.agreed.v6 {
		s.state.Families = append(s.state.Families, "ipv6")
	}
	level.Info(s.logger).Log("msg", "session up", "asn", s.state.ASN, "hold", s.state.HoldTime,
		"families", fmt.Sprint(s.state.Families), "routes", s.agreed.count(s.have))
}

// fell ends a time of being Established.
func (s *session) fell(why Reason) {
	now := time.Now()
	s.state.State, s.state.Since = idle, now
	s.state.HoldTime, s.state.Keepalive, s.state.Families, s.state.Received = 0, 0, nil, 0
	s.state.Complete = false
	s.count, s.held = nil, nil
	s.unlearn(why)
	s.state.LastDrop, s.state.LastDropAt, s.drop = why, now, why
	s.state.Flaps++
	s.metrics.flaps.WithLabelValues(s.name, why.Kind).Inc()
	level.Info(s.logger).Log("msg", "session down", "reason", why.Text, "up", now.Sub(s.upSince).Round(time.Second))
}

// completed takes note of whether the router is sent everything, and looks again
// if it is not.
func (s *session) completed() {
	s.held = nil
	if s.state.Complete = !s.srv.holdsBack(); !s.state.Complete {
		s.held = time.After(heldTime)
	}
}

// cutOff ends a time of being Established because the router is lost by other
// means than BGP's own.
func (s *session) cutOff(why Reason) {
	if s.srv == nil || !s.state.Up() {
		return
	}
	s.journal.blame(why)
	s.forsake()
	s.fell(why)
	s.comeBack()
	s.publish()
}

// comeBack sees to a new connection after a fall. Sessions that keep falling soon
// after they rose are given time.
func (s *session) comeBack() {
	s.forsake()
	if time.Since(s.upSince) >= steadyTime {
		s.short = 0
	} else {
		s.short++
	}
	wait := backOff(s.short)
	if s.drop.Kind == KindTooMany {
		wait = tooManyTime
	}
	if wait > 0 {
		s.rejoin = time.After(wait)
		return
	}
	s.rejoined(s.join())
}

// backOff is how long to wait before the next connection after n sessions in a
// row that fell young: nothing after the first, then 2 s doubling up to 32 s.
func backOff(n int) time.Duration {
	if n < 2 {
		return 0
	}
	return time.Second << min(n-1, 5)
}

// wait notes what a session waits for that has come to nothing without a fault.
func (s *session) wait() {
	why := waitReason(s.set, s.state.State)
	if why == (Reason{}) || s.state.Failing != (Reason{}) {
		return
	}
	s.state.Failing = why
	level.Info(s.logger).Log("msg", "session does not come up", "reason", why.Text)
	s.publish()
}

// noticed takes note of a reason why the session does not come up. The reason
// of a fall comes with the fall itself.
func (s *session) noticed() { s.failing(s.journal.lastFault()) }

// failing notes why the session does not come up.
func (s *session) failing(why Reason) {
	if s.state.Up() || why == (Reason{}) || why == s.state.Failing || why == s.drop {
		return
	}
	s.state.Failing = why
	level.Info(s.logger).Log("msg", "session does not come up", "reason", why.Text)
	s.publish()
	s.doubt(why)
}

// doubt forgets the AS that is known of a router with dynamicASN if the OPENs did
// not agree: it may have been given another. GoBGP does not always tell that this
// was why.
func (s *session) doubt(why Reason) {
	if s.known == (neighbor{}) || why.Kind != KindASMismatch && why.Kind != KindRejected {
		return
	}
	s.known = neighbor{}
	s.adopt(s.wanted)
}

// counted takes note of how many prefixes the router has sent.
func (s *session) counted() {
	s.count = time.After(countTime)
	s.state.Received = s.srv.received()
	s.publish()
}

// leave lets routers turn to other nodes, then withdraws every route and closes
// with a text.
func (s *session) leave(bye farewell) {
	if !s.state.Up() || bye.drain > 0 && !s.yield(bye) {
		return
	}
	if err := errors.Join(s.srv.withdrawAll(), s.srv.disablePeer(bye.text)); err != nil {
		level.Warn(s.logger).Log("msg", "leaving in order failed", "err", err)
		return
	}
	s.lasts(bye.ctx, leaveTime)
}

// yield makes every route the last choice and gives routers the time to act on
// it. It tells whether there still is a session to be closed.
func (s *session) yield(bye farewell) bool {
	n := s.agreed.count(s.have)
	if n == 0 {
		return true
	}
	level.Info(s.logger).Log("msg", "routes are the last choice now", "routes", n, "for", bye.drain)
	var errs []error
	for _, r := range s.have {
		r.Last = true
		if err := s.srv.apply(edit{route: r}); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		level.Warn(s.logger).Log("msg", "not every route is the last choice", "err", err)
	}
	return s.lasts(bye.ctx, bye.drain)
}

// lasts waits until the session falls, for limit at most, and tells whether it
// is still up then. The end of ctx ends the waiting only.
func (s *session) lasts(ctx context.Context, limit time.Duration) bool {
	over := time.After(limit)
	for {
		select {
		case e := <-s.srv.events:
			if !e.sent && stateNames[e.state] != established {
				return false
			}
		case <-over:
			return true
		case <-ctx.Done():
			return true
		}
	}
}
