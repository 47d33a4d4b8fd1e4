package config

import "net/netip"

// Received names prefixes that a router may send to be used here: those inside
// Prefix whose length is from Shortest to Longest.
type Received struct {
	Prefix            netip.Prefix // masked
	Shortest, Longest uint8        // at least the length of Prefix
}

// Matches tells whether p is one of them.
func (r Received) Matches(p netip.Prefix) bool {
	return p.Bits() >= int(r.Shortest) && p.Bits() <= int(r.Longest) && r.Prefix.Contains(p.Addr())
}

// Takes tells whether prefix is to be used if p's router sends it.
func (p *Peer) Takes(prefix netip.Prefix) bool {
	for _, r := range p.ToReceive {
		if r.Matches(prefix) {
			return true
		}
	}
	return false
}
