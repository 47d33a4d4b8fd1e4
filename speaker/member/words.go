package member

import (
	"encoding/json"
	"slices"

	"github.com/steelyard-lb/steelyard/l4proxy/health/check"
)

// wordsKept is how many words of others wait for a reader that sleeps. What is
// lost is told again.
const wordsKept = 100_000

// wireWord is a word as it is told. A member of a version that knows none passes
// it on and takes nothing from it.
type wireWord struct {
	ID    check.ID `json:"i"`
	Down  bool     `json:"d,omitempty"`
	Epoch int64    `json:"e"`
}

// words are what t tells of the health of backends.
func (t tiding) words() (out []check.Word) {
	for _, w := range t.Health {
		if w.Epoch > 0 {
			out = append(out, check.Word(w))
		}
	}
	return out
}

// ofWords is list as node, this one, tells it now, cut to pieces that fit. What is
// told again takes the place of its last telling, and what is new of nothing.
func (s *tidings) ofWords(node string, list []check.Word, again bool) (out []tiding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told++
	for words := range slices.Chunk(list, perTiding) {
		part := -1 - len(out)
		if !again {
			part = firstRecord + s.parts
			s.parts++
		}
		out = append(out, tiding{Node: node, Run: s.run, Part: part, Told: s.told, Health: wire(words)})
	}
	return out
}

func wire(list []check.Word) (out []wireWord) {
	for _, w := range list {
		out = append(out, wireWord(w))
	}
	return out
}

// addWords joins what was not read yet with what came now.
func addWords(old, next []check.Word) []check.Word {
	if len(old) > wordsKept {
		return next
	}
	return slices.Concat(old, next)
}

// TellHealth tells the others what this node found out of the health of backends:
// news, or what was told before again.
func (m *Membership) TellHealth(list []check.Word, again bool) {
	for _, t := range m.d.tidings.ofWords(m.cfg.Node, list, again) {
		text, _ := json.Marshal(t) // cannot fail
		m.d.tidings.pass(t, text)
	}
}

// ShareHealth makes known what those who come are told of the health of backends,
// as [Membership.Share] does.
func (m *Membership) ShareHealth(known []check.Word) { m.d.known.Store(&known) }

// Health yields what others tell of the health of backends. It has one reader,
// which gets all that came since it read last.
func (m *Membership) Health() <-chan []check.Word { return m.d.words.C() }
