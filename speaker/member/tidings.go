package member

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/hashicorp/memberlist"

	"github.com/steelyard-lb/steelyard/speaker/announce"
)

const (
	// perTiding is how many addresses are told in one message, which has to fit
	// into a packet with others.
	perTiding = 12
	// passOn is how often a message is sent on by each member that hears it, times
	// the logarithm of their number.
	passOn = 4
	// passRecords is the same for records, which are told once: members of few do not
	// get each message of a long queue from everybody.
	passRecords = 8
	// tidingsKept is of how many messages it is remembered that they were heard.
	tidingsKept = 10_000
	// firstRecord is the part that tells of a process's first record. Each has a
	// part of its own, as news of backends have: it is told once, and no other takes
	// its place.
	firstRecord = 1 << 20
)

// tiding is a part of what a member tells of addresses that it took over before
// the record says so, of records that it wrote, or of the health of backends. A
// member of a version that knows no records takes them for takeovers, which it
// believes for some seconds.
type tiding struct {
	Node    string         `json:"n"`
	Run     uint64         `json:"r"` // of the process that tells, drawn by lot
	Part    int            `json:"p"`
	Told    int64          `json:"s"` // grows with each telling of that process
	Written bool           `json:"w,omitempty"`
	Taken   []wireTakeover `json:"t"`
	Health  []wireWord     `json:"h,omitempty"`
}

type wireTakeover struct {
	Addr  netip.Addr `json:"a"`
	Epoch int64      `json:"e"`
}

// readTiding reads what another member tells; false if it cannot be read.
func readTiding(text []byte) (tiding, bool) {
	var t tiding
	ok := json.Unmarshal(text, &t) == nil && t.Node != ""
	return t, ok
}

// takeovers are what t tells.
func (t tiding) takeovers() (out []announce.Takeover) {
	for _, o := range t.Taken {
		if o.Addr.IsValid() && o.Epoch > 0 {
			out = append(out, announce.Takeover{Addr: o.Addr, Node: t.Node, Epoch: o.Epoch, Written: t.Written})
		}
	}
	return out
}

// addTakeovers joins what was not read yet with what came now. What is lost of a
// reader that sleeps is told again.
func addTakeovers(old, next []announce.Takeover) []announce.Takeover {
	if len(old) > perTiding*tidingsKept {
		return next
	}
	return slices.Concat(old, next)
}

// name is what a newer telling of the same has too. That of another process is
// something else: which of two was first no clock tells that can be set back.
func (t tiding) name() string { return fmt.Sprint(t.Node, "/", t.Run, "/", t.Part) }

// cast is a message on its way. It takes the place of an older one of its name.
type cast struct {
	name string
	text []byte
}

// Name implements memberlist.NamedBroadcast.
func (c cast) Name() string { return c.name }

// Invalidates implements memberlist.Broadcast; names say it all.
func (c cast) Invalidates(memberlist.Broadcast) bool { return false }

// Message implements memberlist.Broadcast.
func (c cast) Message() []byte { return c.text }

// Finished implements memberlist.Broadcast.
func (c cast) Finished() {}

// tidings are the messages that are passed on. Each member passes on what is new
// to it, so that all hear it within a few rounds.
type tidings struct {
	queue   memberlist.TransmitLimitedQueue
	records memberlist.TransmitLimitedQueue
	run     uint64 // of this process

	mu    sync.Mutex
	told  int64            // by this process, how often
	parts int              // told so far of what has parts of its own
	heard map[string]int64 // by name: the last Told
}

// of is list as node, this one, tells it now, cut to pieces that fit.
func (s *tidings) of(node string, list []announce.Takeover) (out []tiding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told++
	var taken, written []wireTakeover
	for _, o := range list {
		if o.Written {
			written = append(written, wireTakeover{o.Addr, o.Epoch})
		} else {
			taken = append(taken, wireTakeover{o.Addr, o.Epoch})
		}
	}
	for part := range slices.Chunk(taken, perTiding) {
		out = append(out, tiding{Node: node, Run: s.run, Part: len(out), Told: s.told, Taken: part})
	}
	for part := range slices.Chunk(written, perTiding) {
		out = append(out, tiding{Node: node, Run: s.run, Part: firstRecord + s.parts, Told: s.told, Written: true, Taken: part})
		s.parts++
	}
	return out
}

// pass queues t if it is news.
func (s *tidings) pass(t tiding, text []byte) bool {
	name := t.name()
	s.mu.Lock()
	news := t.Told > s.heard[name]
	if news {
		if s.heard == nil || len(s.heard) >= tidingsKept {
			s.heard = map[string]int64{}
		}
		s.heard[name] = t.Told
	}
	s.mu.Unlock()
	switch {
	case news && t.Written:
		s.records.QueueBroadcast(cast{name, text})
	case news:
		s.queue.QueueBroadcast(cast{name, text})
	}
	return news
}

// next are the messages of the next packet: what is told again each second lets
// what is told once wait.
func (s *tidings) next(overhead, limit int) [][]byte {
	out := s.queue.GetBroadcasts(overhead, limit)
	for _, text := range out {
		limit -= overhead + len(text)
	}
	return append(out, s.records.GetBroadcasts(overhead, limit)...)
}

// TellTakeovers tells the others what this node answers for. What list has that
// no record says yet they believe for some seconds: it is to be told again for as
// long as it is true. Records are told once.
func (m *Membership) TellTakeovers(list []announce.Takeover) {
	for _, t := range m.d.tidings.of(m.cfg.Node, list) {
		text, _ := json.Marshal(t) // cannot fail
		m.d.tidings.pass(t, text)
	}
}

// Takeovers yields what other members tell of addresses that they took over
// before the record says so, and of records. It has one reader, which gets all
// that came since it read last.
func (m *Membership) Takeovers() <-chan []announce.Takeover { return m.d.takeovers.C() }
