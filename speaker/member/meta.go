package member

import (
	"encoding/json"
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// phase is what a speaker says about its own life.
type phase string

const (
	running    phase = ""
	leaving    phase = "leaving"    // hands over what it has
	restarting phase = "restarting" // back within RestartGrace
	gone       phase = "gone"       // last word; the node itself may go on
)

// meta is what a member tells about itself, as JSON so that versions can add
// to it. memberlist allows 512 bytes.
type meta struct {
	Phase phase     `json:"s,omitempty"`
	Known bool      `json:"k,omitempty"` // Links is complete, even if empty
	Links []wireLnk `json:"l,omitempty"`
}

type wireLnk struct {
	Name     string         `json:"n"`
	Prefixes []netip.Prefix `json:"p,omitempty"`
	MAC      []byte         `json:"m,omitempty"` // left out: that of the link before
}

func metaOf(p phase, links []announce.Link) meta {
	m := meta{Phase: p, Known: links != nil}
	var last [6]byte
	for _, l := range links {
		w := wireLnk{Name: l.Name, Prefixes: l.Prefixes}
		if l.MAC != last {
			w.MAC, last = l.MAC[:], l.MAC
		}
		m.Links = append(m.Links, w)
	}
	return m
}

// encode fits m into limit bytes. What does not fit is not told at all, for a
// list that lacks some would be wrong: hardware addresses first, without which
// nobody is taken for a stranger; then interfaces.
func (m meta) encode(limit int) []byte {
	b, err := json.Marshal(m)
	if err != nil || len(b) > limit {
		m.Links = slices.Clone(m.Links)
		for i := range m.Links {
			m.Links[i].MAC = nil
		}
		b, err = json.Marshal(m)
	}
	if err != nil || len(b) > limit {
		b, _ = json.Marshal(meta{Phase: m.Phase}) // cannot fail, and is short
	}
	return b
}

// decodeMeta reads what a member said; what cannot be read counts as nothing
// said.
func decodeMeta(b []byte) meta {
	var m meta
	if len(b) == 0 || json.Unmarshal(b, &m) != nil {
		return meta{}
	}
	return m
}

func (m meta) links() []announce.Link {
	if !m.Known {
		return nil
	}
	out := make([]announce.Link, 0, len(m.Links))
	var last [6]byte
	for _, l := range m.Links {
		if len(l.MAC) == 6 {
			last = [6]byte(l.MAC)
		}
		out = append(out, announce.Link{Name: l.Name, Prefixes: l.Prefixes, MAC: last})
	}
	return out
}
