package layer2

import (
	"github.com/steelyard-lb/steelyard/config/host"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// company tells by hardware address who else may have addresses of ours: this
// node by another of its interfaces, and the members, who agree about owners
// by other means. Everybody else is a stranger. It is read-only.
type company struct {
	own, members map[hardware]bool
	complete     bool // every living member told its hardware addresses
}

// companyOf makes others, all members but this one, the company of a host.
func companyOf(others []announce.Member, state host.State) *company {
	c := &company{own: map[hardware]bool{}, members: map[hardware]bool{}, complete: true}
	for _, l := range state.Links {
		if len(l.MAC) == 6 {
			c.own[hardware(l.MAC)] = true
		}
	}
	for _, m := range others {
		known := m.Links != nil
		for _, l := range m.Links {
			c.members[l.MAC] = true
			known = known && hardware(l.MAC).unicast()
		}
		c.complete = c.complete && (known || !m.Alive)
	}
	return c
}

// judge says what becomes of a frame whose sender has an address of ours. As
// long as a member's hardware addresses are not known nobody is a stranger: to
// take a member for one would disturb a move.
func (c *company) judge(mac hardware) drop {
	switch {
	case c.own[mac]:
		return dropOwn
	case c.members[mac] || !c.complete:
		return dropMember
	default:
		return dropConflict
	}
}
