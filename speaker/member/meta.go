package member

import (
	"encoding/json"
	"net/netip"

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
}

func metaOf(p phase, links []announce.Link) meta {
	m := meta{Phase: p, Known: links != nil}
	for _, l := range links {
		m.Links = append(m.Links, wireLnk(l))
	}
	return m
}

// encode fits m into limit bytes: interfaces that do not fit are not known at
// all, for a list that lacks some would be wrong.
func (m meta) encode(limit int) []byte {
	b, err := json.Marshal(m)
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
	for _, l := range m.Links {
		out = append(out, announce.Link(l))
	}
	return out
}
