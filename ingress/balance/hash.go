package balance

import (
	"slices"

	"github.com/steelyard-lb/steelyard/config/maglev"
)

// Sizes of tables: with 64 slots for each member shares are within some percent, and
// little moves needlessly when one goes. There are only two, for with another size
// all keys move.
const (
	slotsPerMember = 64
	usualSlots     = 256 * slotsPerMember
	mostSlots      = 1 << 16
)

// A member may have so many times the mean of the requests under way (Mirrokni et
// al., SODA 2018). The mean is that of so many of them at most.
const bound, sample = 1.25, 32

// fill makes the table of those who stay. It is the same one in whatever order they
// are.
func (p *Pool) fill() []uint16 {
	if len(p.near.list) == 0 {
		return nil
	}
	order := slices.Clone(p.near.list)
	slices.SortFunc(order, func(a, b uint16) int {
		return p.members[a].Endpoint.addr.Compare(p.members[b].Endpoint.addr)
	})
	hashes := make([]uint64, len(order))
	for i, member := range order {
		hashes[i] = maglev.Hash(p.members[member].Endpoint.addr)
	}
	size := usualSlots
	if len(order)*slotsPerMember > size {
		size = mostSlots
	}
	table := maglev.Fill(hashes, size)
	for slot, i := range table {
		table[slot] = order[i]
	}
	return table
}

// hashed takes the member of the key's slot, or of one of those after it if that one
// is not to be asked or has too much to do; -1 if none is found. Whose share grows
// gets its keys one by one, and keeps them.
func (p *Pool) hashed(a *Ask) int {
	key := maglev.Mix(a.Key)
	some, most := -1, -1.0
	for k := range min(len(p.table), slotsPerMember+4*len(p.members)) { // of which almost all members have one
		i := int(p.table[(int(key>>48)+k)&(len(p.table)-1)])
		e := p.members[i].Endpoint
		if !e.open(a) {
			continue
		}
		if some < 0 {
			some = i
		}
		if !p.near.admits(e, a.Now, key<<16) {
			continue
		}
		busy := float64(e.InFlight())
		if busy > 0 && most < 0 {
			most = bound*p.mean(a) + 1
		}
		if busy == 0 || busy < most {
			return i
		}
	}
	return some
}

// mean is that of the requests under way at each of those who stay and are up.
func (p *Pool) mean(a *Ask) float64 {
	list := p.near.list
	step := (len(list) + sample - 1) / sample
	sum, n := 0, 0
	for at := 0; at < len(list); at += step {
		if e := p.members[list[at]].Endpoint; e.open(a) {
			sum += e.InFlight()
			n++
		}
	}
	return float64(sum) / float64(max(n, 1))
}
