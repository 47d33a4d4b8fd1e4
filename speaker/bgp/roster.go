package bgp

import (
	"context"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// roster is who is in service: the sessions of the plan, and those that were in
// an earlier one and take their leave.
type roster struct {
	speaker *Speaker
	memory  map[string]neighbor // by BGPPeer, from before this process began
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
			m = &member{session: r.speaker.newSession(want.Peer.Name, r.known(want.Peer))}
			r.live[want.Peer.Name] = m
			go m.run(r.before(want.Peer))
		}
		m.peer = want.Peer
		post(m.want, want)
	}
}

// known is what is known of the router of a peer with dynamicASN.
func (r *roster) known(peer *config.Peer) neighbor {
	n := r.memory[peer.Name]
	if peer.Dynamic == "" || n.addr != peer.Addr.Unmap() {
		return neighbor{}
	}
	return n
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
