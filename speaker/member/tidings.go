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
	// tidingsKept is of how many messages it is remembered that they were heard.
	tidingsKept = 10_000
)

// tiding is a part of what a member tells of addresses that it took over before
// the record says so.
type tiding struct {
	Node  string         `json:"n"`
	Run   uint64         `json:"r"` // of the process that tells, drawn by lot
	Part  int            `json:"p"`
	Told  int64          `json:"s"` // grows with each telling of that process
	Taken []wireTakeover `json:"t"`
}

type wireTakeover struct {
	Addr  netip.Addr `json:"a"`
	Epoch int64      `json:"e"`
}

// tidingsOf are list cut to pieces that fit, each like of.
func tidingsOf(of tiding, list []announce.Takeover) (out []tiding) {
	for part := range slices.Chunk(list, perTiding) {
		t := of
		t.Part = len(out)
		for _, o := range part {
			t.Taken = append(t.Taken, wireTakeover{o.Addr, o.Epoch})
		}
		out = append(out, t)
	}
	return out
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
			out = append(out, announce.Takeover{Addr: o.Addr, Node: t.Node, Epoch: o.Epoch})
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
	queue memberlist.TransmitLimitedQueue
	run   uint64 // of this process

	mu    sync.Mutex
	told  int64            // by this process, how often
	heard map[string]int64 // by name: the last Told
}

// next is the beginning of what node, this one, tells now.
func (s *tidings) next(node string) tiding {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told++
	return tiding{Node: node, Run: s.run, Told: s.told}
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
	if news {
		s.queue.QueueBroadcast(cast{name, text})
	}
	return news
}

// TellTakeovers tells the others that this node answers for the addresses of
// list before the record says so. They believe it for some seconds: it is to be
// told again for as long as it is true.
func (m *Membership) TellTakeovers(list []announce.Takeover) {
	for _, t := range tidingsOf(m.d.tidings.next(m.cfg.Node), list) {
		text, _ := json.Marshal(t) // cannot fail
		m.d.tidings.pass(t, text)
	}
}

// Takeovers yields what other members tell of addresses that they took over
// before the record says so. It has one reader, which gets all that came since
// it read last.
func (m *Membership) Takeovers() <-chan []announce.Takeover { return m.d.takeovers.C() }
