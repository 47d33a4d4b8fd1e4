package l4proxy

import (
	"net/netip"

	"github.com/steelyard-lb/steelyard/config"
)

// counter edits a table of reference counts.
type counter struct {
	old  config.Table[netip.Addr, int]
	edit *config.Edit[netip.Addr, int]
	now  map[netip.Addr]int
}

func newCounter(t config.Table[netip.Addr, int]) *counter {
	return &counter{old: t, edit: t.Edit(), now: map[netip.Addr]int{}}
}

func (c *counter) add(a netip.Addr, by int) {
	n, ok := c.now[a]
	if !ok {
		n, _ = c.old.Get(a)
	}
	c.now[a] = n + by
}

func (c *counter) done() config.Table[netip.Addr, int] {
	for a, n := range c.now {
		if n == 0 {
			c.edit.Delete(a)
		} else {
			c.edit.Set(a, n)
		}
	}
	return c.edit.Done()
}
