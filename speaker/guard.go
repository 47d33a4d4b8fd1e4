package speaker

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/host"
	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/bfd"
	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
	"github.com/steelyard-lb/steelyard/speaker/bgp"
)

// guard has routers watched by BFD, and makes the BGP session of one that is
// lost fall at once. It has a goroutine of its own: a decision about thousands
// of Services may take longer than a router may be dead.
type guard struct {
	Parts
	log     log.Logger
	changed chan struct{} // what is seen has changed

	// Of the agent's goroutine.
	wanted  []watch
	applied bool          // at least once
	near    map[spot]bool // routers that were next to this node once

	mu       sync.Mutex // guards the rest
	peers    map[bfd.Path][]string
	blind    time.Time                   // since when nothing is known; zero if something is
	seen     map[string]config.BFDReport // by peer
	problems []string
}

// bfdUnknown is the state of sessions of which nothing is known: they may well
// be up.
const bfdUnknown = "Unknown"

// watch is a BFD session and the BGPPeer that it is for.
type watch struct {
	peer    string
	session bfd.Session
}

// spot is a router's address, which may be another's in another VRF.
type spot struct {
	vrf  string
	addr netip.Addr
}

func newGuard(logger log.Logger, parts Parts) *guard {
	return &guard{Parts: parts, log: logger, changed: make(chan struct{}, 1), near: map[spot]bool{}}
}

// Apply has the routers of sessions watched as their peers want it. Those of
// sessions that are not wanted any more are watched until these have ended: a
// router that hears of the end of BFD first would drop the routes before it has
// turned to other nodes. states are the sessions that there are. The first time
// counts even if nothing is wanted: an earlier life of this process may have left
// sessions in another.
func (g *guard) Apply(sessions []announce.Session, states []bgp.SessionState, state host.State) {
	planned := map[string]bool{}
	var wanted []watch
	for _, s := range sessions {
		planned[s.Peer.Name] = true
		if router := s.Router(); s.Peer.BFD != nil && router.IsValid() {
			wanted = append(wanted, watch{s.Peer.Name, g.sessionTo(s.Peer, router, state)})
		}
	}
	for _, w := range g.wanted {
		ends := !planned[w.peer] && slices.ContainsFunc(states, func(s bgp.SessionState) bool { return s.Peer == w.peer })
		if ends {
			wanted = append(wanted, w)
		}
	}
	if g.applied && slices.Equal(wanted, g.wanted) {
		return
	}
	g.wanted, g.applied = wanted, true
	g.Detector.Apply(g.share())
}

// share makes one session of those of one path, and remembers whose it is. The
// settings are those of the first.
func (g *guard) share() (sessions []bfd.Session) {
	peers := map[bfd.Path][]string{}
	for _, w := range g.wanted {
		path := w.session.Path
		if len(peers[path]) == 0 {
			sessions = append(sessions, w.session)
		}
		peers[path] = append(peers[path], w.peer)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.peers = peers
	return sessions
}

// sessionTo is the BFD session that watches router, that of p. The C bit stays
// clear: whether BFD outlives this process is for the one that it runs in to say.
func (g *guard) sessionTo(p *config.Peer, router netip.Addr, state host.State) bfd.Session {
	s := bfd.Session{Path: bfd.Path{Peer: router.WithZone(""), Local: p.Source.Unmap().WithZone(""), Interface: router.Zone(), VRF: p.VRF}}
	s.MinTx, s.MinRx, s.Multiplier, s.Passive = p.BFD.Transmit, p.BFD.Receive, p.BFD.Multiplier, p.BFD.Passive
	s.MultiHop = p.MultiHop || p.Hops > 1 || p.Internal() && !g.isNear(spot{p.VRF, router}, state)
	if s.MultiHop {
		s.MinTTL = p.BFD.MinTTL
	}
	return s
}

// isNear tells whether router is on a link of this host. One that was stays so:
// a link that goes down is no reason to look for the router further away.
func (g *guard) isNear(router spot, state host.State) bool {
	for _, l := range state.Links {
		if state.VRF(l) == router.vrf && slices.ContainsFunc(l.Prefixes, func(p netip.Prefix) bool { return p.Contains(router.addr) }) {
			g.near[router] = true
		}
	}
	return g.near[router] || router.addr.IsLinkLocalUnicast()
}

// Run takes in what BFD finds until ctx ends.
func (g *guard) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case u := <-g.Detector.Updates():
			g.take(u)
		}
	}
}

// take makes sessions fall first, and then looks at the rest.
func (g *guard) take(u bfd.Update) {
	for _, c := range u.Changes {
		g.heed(c)
	}
	g.mu.Lock()
	g.look(u)
	seen, problems := g.read(u)
	same := maps.Equal(seen, g.seen) && slices.Equal(problems, g.problems)
	g.seen, g.problems = seen, problems
	g.mu.Unlock()
	if same {
		return
	}
	select {
	case g.changed <- struct{}{}:
	default:
	}
}

// look notes since when nothing is known, and says so in the log.
func (g *guard) look(u bfd.Update) {
	switch blind := !g.blind.IsZero(); {
	case u.Problem != "" && !blind:
		g.blind = time.Now()
		level.Warn(g.log).Log("msg", "routers not watched by BFD, sessions stay", "err", u.Problem)
	case u.Problem == "" && blind:
		level.Info(g.log).Log("msg", "BFD is back", "after", time.Since(g.blind).Round(time.Millisecond))
		g.blind = time.Time{}
	}
}

// heed acts on a change. A router that was switched off by its operator, or
// whose operator took BFD away, is not lost: BGP has a say of its own in that
// (RFC 5882, 4.2).
func (g *guard) heed(c bfd.Change) {
	g.mu.Lock()
	peers := g.peers[c.Path]
	g.mu.Unlock()
	for _, peer := range peers {
		switch {
		case c.To == packet.Up:
			level.Info(g.log).Log("msg", "router watched by BFD", "peer", peer, "addr", c.Peer, "detection", c.Detection)
		case c.From != packet.Up:
		case c.To == packet.AdminDown || c.Diag == packet.NeighborDown && c.Remote == packet.AdminDown:
			level.Info(g.log).Log("msg", "router not watched by BFD any more: switched off", "peer", peer, "addr", c.Peer)
		default:
			why := lossOf(c)
			level.Warn(g.log).Log("msg", "router lost", "peer", peer, "addr", c.Peer, "reason", why.Text)
			g.Routers.Drop(peer, why)
			g.Events.Event(config.Ref{Kind: config.KindBGPPeer, Key: config.Key{Namespace: g.Namespace, Name: peer}}, "", true, "BFDDown",
				fmt.Sprintf("node %q has lost router %v, %s", g.Node, c.Peer, why.Text))
		}
	}
}

// lossOf says why a session is not up any more.
func lossOf(c bfd.Change) bgp.Reason {
	text := "BFD: " + c.Diag.String()
	if c.Diag == packet.NeighborDown && c.RemoteDiag != packet.NoDiag {
		text += ": " + c.RemoteDiag.String()
	}
	return bgp.Reason{Kind: bgp.KindBFD, Text: text}
}

// read sorts what is known by peers, and lists what keeps BFD from working.
func (g *guard) read(u bfd.Update) (seen map[string]config.BFDReport, problems []string) {
	seen = map[string]config.BFDReport{}
	if u.Problem != "" {
		problems = append(problems, "BFD: "+u.Problem)
		for _, peers := range g.peers {
			for _, peer := range peers {
				seen[peer] = config.BFDReport{State: bfdUnknown, Since: g.blind}
			}
		}
	}
	for _, s := range u.Statuses {
		for _, peer := range g.peers[s.Path] {
			seen[peer] = reportOf(s, g.seen[peer])
			if s.Problem != "" {
				problems = append(problems, "BGPPeer "+peer+": BFD with "+s.Path.Name()+": "+s.Problem)
			}
		}
	}
	return seen, problems
}

// measureAfter is how long a session must be up for what is measured to be told:
// at first there is the router's slow start in it.
const measureAfter = 5 * time.Second

// reportOf is what is told of a session, of which before was told last. What is
// measured varies all the time: no more than a tenth of it is no news.
func reportOf(s bfd.Status, before config.BFDReport) config.BFDReport {
	r := config.BFDReport{State: s.State.String(), Since: s.Since}
	if s.State != packet.Up {
		return r
	}
	r.Detection = s.Detection
	switch {
	case s.Gap == 0 || time.Since(s.Since) < measureAfter:
	case before.Since.Equal(r.Since) && (s.Gap-before.Interval).Abs() <= before.Interval/10:
		r.Interval = before.Interval
	default:
		r.Interval = s.Gap.Round(time.Millisecond)
	}
	return r
}

// Report is what is seen, by peer, and what keeps BFD from working.
func (g *guard) Report() (map[string]config.BFDReport, []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.seen, g.problems
}
