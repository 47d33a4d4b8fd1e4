package pulse

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

const (
	// wordHolds is how long a death counts that somebody told of: by then
	// membership has an opinion of its own.
	wordHolds = 5 * time.Second
	// agree is how many must have found a node dead, if so many watch it and
	// can be heard: a broken path between two nodes is no death.
	agree = 2
)

// datagram is a packet on its way.
type datagram struct {
	to netip.AddrPort
	packet
}

// mesh is all sessions of one node: a state machine without socket or clock.
type mesh struct {
	tuning Tuning
	self   id
	boot   uint64
	seq    uint64 // the last number used
	ring   ring
	peers  map[id]*session
	near   []*session       // those that beats are exchanged with
	found  map[id]time.Time // whom this node found dead, and when
	cuts   uint64           // times the others may have found this node dead
	alone  bool
	told   time.Time // when everybody was told of deaths last
	untold bool      // there is news
	now    time.Time // when settled last
	words  bool      // somebody is called dead by somebody
	dirty  bool      // view may be another

	out    []datagram
	events events
}

// events are what metrics count, but for the silences that were taken for a death
// since they were told of last.
type events struct {
	died                        []time.Duration
	revived, unproven, replayed uint64
}

func newMesh(t Tuning, self string, boot uint64) *mesh {
	return &mesh{tuning: t, self: idOf(self), boot: boot, peers: map[id]*session{}, found: map[id]time.Time{}}
}

// apply makes peers the others.
func (m *mesh) apply(peers []Peer, now time.Time) {
	wanted := make(map[id]Peer, len(peers))
	for _, p := range peers {
		if n := idOf(p.Node); n != m.self {
			wanted[n] = p
		}
	}
	m.ring = ringOf(append(slices.Collect(maps.Keys(wanted)), m.self))
	near := map[id]bool{}
	for _, n := range m.ring.watchers(m.self) {
		near[n] = true
	}
	m.near = nil
	maps.DeleteFunc(m.peers, func(n id, s *session) bool { return wanted[n] != s.peer })
	for n, p := range wanted {
		s := m.peers[n]
		if s == nil {
			s = &session{id: n, peer: p, since: m.seq + 1, nextBeat: now}
			m.peers[n] = s
		}
		if s.beats != near[n] {
			s.beats, s.state, s.nextBeat = near[n], Unknown, now
		}
		if s.beats {
			m.near = append(m.near, s)
		}
	}
	m.settle(now)
}

// receive takes in a packet; answers leave at once.
func (m *mesh) receive(p packet, now time.Time) {
	s := m.peers[p.From]
	if s == nil {
		return // not told of it yet, or not any more
	}
	switch s.judge(p, m.boot, m.seq) {
	case replayed:
		m.events.replayed++
		return
	case unproven:
		m.events.unproven++
		if now.Sub(s.replied) >= m.tuning.pollGap() { // whoever plays back packets gets no flood out of it
			s.replied = now
			m.sendKnowing(s, poll, p.Mine, p.Seq)
		}
		return
	}
	if p.Kind == bye {
		s.state, s.boot, s.since, s.says = Unknown, 0, m.seq+1, nil
		m.settle(now)
		return
	}
	rose, revived := s.hear(m.tuning, now)
	if revived {
		m.events.revived++
	}
	if rose || p.Kind == poll {
		m.send(s, answer) // which tells it, if it was held for dead
	}
	if _, found := m.found[p.From]; found {
		delete(m.found, p.From)
		m.untold, m.told = true, now // the others a moment later, so that this word is not overtaken
	}
	news := rose || m.untold || !slices.Equal(s.says, p.Down)
	s.says, s.saidAt = p.Down, now
	if news {
		m.tell(now)
		m.settle(now)
	}
}

// refused notes that the host at addr lives and has nobody who listens.
func (m *mesh) refused(addr netip.AddrPort, now time.Time) {
	for _, s := range m.near {
		if s.peer.Addr == addr {
			s.refused = now
		}
	}
}

// step does what the time asks for. late is by how much the caller missed the
// time it was to call at: whoever was away himself has heard nobody.
func (m *mesh) step(now time.Time, late time.Duration) {
	changed := false
	if late >= m.tuning.Detection()-m.tuning.Every && len(m.near) > 0 {
		m.cuts, changed = m.cuts+1, true // the others heard nothing for long enough
	}
	for _, s := range m.near {
		if s.state == Up && late > m.tuning.Every/2 {
			s.forgive(late, now)
		}
		silence, was := now.Sub(s.heard), s.state
		s.step(m.tuning, now, func(k kind) { m.send(s, k) })
		changed = changed || s.state != was
		if s.state == Down && was == Up {
			m.untold, m.found[s.id] = true, now
			m.events.died = append(m.events.died, silence)
		}
	}
	m.tell(now)
	if changed || m.words { // words grow old
		m.settle(now)
	}
}

// due is when step is to be called next.
func (m *mesh) due(now time.Time) time.Time {
	at := now.Add(m.tuning.slow())
	if m.untold {
		at = m.told.Add(m.tuning.pollGap())
	}
	for _, s := range m.near {
		if d := s.due(m.tuning); d.Before(at) {
			at = d
		}
	}
	return at
}

// tell tells everybody whom this node finds dead, if that is new. It counts as
// a beat. Many deaths at one time take few words.
func (m *mesh) tell(now time.Time) {
	if !m.untold || now.Sub(m.told) < m.tuning.pollGap() {
		return
	}
	m.untold, m.told = false, now
	for _, s := range m.peers {
		if s.beats && s.state == Up {
			s.nextBeat = now.Add(m.tuning.Every)
		}
		m.send(s, beat)
	}
}

func (m *mesh) send(s *session, k kind) { m.sendKnowing(s, k, s.boot, s.high) }

// sendKnowing sends to a process of the peer that need not be the one known.
func (m *mesh) sendKnowing(s *session, k kind, yours, echo uint64) {
	m.seq++
	m.out = append(m.out, datagram{s.peer.Addr, packet{Kind: k, From: m.self, Mine: m.boot, Yours: yours,
		Seq: m.seq, Echo: echo, Down: m.foundDead()}})
}

func (m *mesh) foundDead() []id {
	if len(m.found) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(m.found))
}

// goodbye tells everybody that this process ends in order.
func (m *mesh) goodbye() {
	for _, s := range m.peers {
		if s.boot != 0 {
			m.send(s, bye)
		}
	}
}

// take hands out what is to be sent.
func (m *mesh) take() []datagram {
	out := m.out
	m.out = nil
	return out
}

// settle brings up to date what depends on several sessions: what is too old
// to count, and whether this node is the one that is cut off.
func (m *mesh) settle(now time.Time) {
	m.now, m.dirty = now, true
	maps.DeleteFunc(m.found, func(_ id, at time.Time) bool { return now.Sub(at) > wordHolds })
	alone := m.deserted() || m.accused()
	if alone && !m.alone {
		m.cuts++
	}
	m.alone, m.words = alone, len(m.found) > 0
	for _, s := range m.peers {
		m.words = m.words || len(s.says) > 0
	}
}

// deserted tells whether all that beats are exchanged with went silent. One
// that never beat (an older version, a blocked port) says nothing either way.
func (m *mesh) deserted() bool {
	return len(m.near) > 0 && !slices.ContainsFunc(m.near, func(s *session) bool { return s.state != Down })
}

// accused tells whether enough others find this node dead: it hears them, but
// they do not hear it, or did not until a moment ago.
func (m *mesh) accused() bool {
	votes := m.votes()
	return votes[m.self] > 0 && votes[m.self] >= m.needed(m.self, votes)
}

// votes counts by how many each node was found dead, this one included.
func (m *mesh) votes() map[id]int {
	v := make(map[id]int, len(m.found))
	for n := range m.found {
		v[n]++
	}
	for _, s := range m.peers {
		if m.now.Sub(s.saidAt) > wordHolds {
			continue
		}
		for _, n := range s.says {
			v[n]++
		}
	}
	return v
}

// needed is how many must find n dead: two, or fewer if fewer of those who
// watch it can be heard.
func (m *mesh) needed(n id, votes map[id]int) int {
	heard := 0
	for _, w := range m.ring.watchers(n) {
		s := m.peers[w]
		if w == m.self || s != nil && (s.state == Up || !s.beats && votes[w] == 0) {
			heard++
		}
	}
	return max(1, min(agree, heard))
}

// view is what this node believes.
func (m *mesh) view() View {
	v := View{States: make(map[string]State, len(m.peers)), Alone: m.alone, Cuts: m.cuts}
	votes := m.votes()
	for _, s := range m.peers {
		if state := m.believed(s, votes); state != Unknown {
			v.States[s.peer.Node] = state
		}
	}
	return v
}

// believed is what to hold a peer for. A beat of one's own overrules any word.
func (m *mesh) believed(s *session, votes map[id]int) State {
	_, mine := m.found[s.id]
	switch n := votes[s.id]; {
	case s.state == Up:
		return Up
	case n > 0 && (n >= m.needed(s.id, votes) || mine && m.deserted()):
		return Down
	case s.state == Vacant:
		return Vacant
	}
	return Unknown
}

// View is what a node believes of the others.
type View struct {
	States map[string]State // by node; [Unknown] ones are left out
	Alone  bool             // this node is the one that is cut off, as it seems
	Cuts   uint64           // how often the others may have found this node dead: it was cut off, or away
}

func (v View) equal(o View) bool {
	return v.Alone == o.Alone && v.Cuts == o.Cuts && maps.Equal(v.States, o.States)
}
