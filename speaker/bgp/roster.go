package bgp

import (
	"context"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// roster is who is in service: the sessions of the plan, and those that were in
// an earlier one and take their leave.
type roster struct {
	speaker *Speaker
	memory  map[string]config.SessionReport // by BGPPeer, from before this process began
	live    map[string]*member
	going   []*member
	hurry   context.Context // its end cuts the leave of those that go short
	cut     context.CancelFunc
}

// member is a session with the peer that it was told of last.
type member struct {
	*session
	peer *config.Peer
}

func newRoster(s *Speaker) *roster {
	r := &roster{speaker: s, live: map[string]*member{}}
	r.hurry, r.cut = context.WithCancel(context.Background())
	return r
}

// reconcile starts sessions that are new, dismisses those that are gone and
// hands the others their part of the plan. It does not wait: a session takes
// seconds to leave.
func (r *roster) reconcile(plan []announce.Session) {
	wanted := make(map[string]bool, len(plan))
	for _, want := range plan {
		wanted[want.Peer.Name] = true
	}
	r.going = slices.DeleteFunc(r.going, (*member).ended)
	for name, m := range r.live {
		if !wanted[name] {
			delete(r.live, name)
			r.dismiss(m)
		}
	}
	for _, want := range plan {
		m, ok := r.live[want.Peer.Name]
		if !ok {
			m = &member{session: r.speaker.newSession(want.Peer.Name, r.known(want.Peer), r.absent(want.Peer))}
			r.live[want.Peer.Name] = m
			go m.run(r.before(want.Peer))
		}
		m.peer = want.Peer
		post(m.want, want)
	}
}

// known is what is known of the router of a peer with dynamicASN.
func (r *roster) known(peer *config.Peer) neighbor {
	last := r.memory[peer.Name]
	if peer.Dynamic == "" || last.Addr.Unmap() != peer.Addr.Unmap() {
		return neighbor{}
	}
	return neighbor{peer.Addr.Unmap(), last.ASN}
}

// absentTime is after what time without a session a router counts as away.
const absentTime = 30 * time.Second

// absent tells whether the router of a peer was away for a while already when the
// speaker before this one reported last.
func (r *roster) absent(peer *config.Peer) bool {
	last, ok := r.memory[peer.Name]
	return ok && last.State != established && time.Since(last.Since) >= absentTime &&
		(peer.Interface != "" || last.Addr.Unmap() == peer.Addr.Unmap())
}

// dismiss begins the leave of a session whose peer is not this node's any more.
func (r *roster) dismiss(m *member) {
	m.bye <- farewell{ctx: r.hurry, drain: r.speaker.opts.DrainTime, text: "Steelyard does not peer from this node any more"}
	r.going = append(r.going, m)
}

// before lists the ends to wait for before a session with peer may begin: it
// has the name or the router of one that is still leaving.
func (r *roster) before(peer *config.Peer) (ends []<-chan struct{}) {
	for _, m := range r.going {
		if m.peer.Name == peer.Name || m.peer.Addr == peer.Addr && m.peer.Interface == peer.Interface && m.peer.VRF == peer.VRF {
			ends = append(ends, m.done)
		}
	}
	return ends
}

// end ends all sessions side by side and waits for them.
func (r *roster) end(bye farewell) {
	if bye.quiet {
		r.cut()
	}
	for _, m := range r.live {
		m.bye <- bye
		r.going = append(r.going, m)
	}
	for _, m := range r.going {
		<-m.done
	}
	r.cut()
}

func (m *member) ended() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}
