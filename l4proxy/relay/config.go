package relay

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
)

// Config is all that an engine is to do. It crosses the socket as JSON.
type Config struct {
	// Digest names the rest, and is told back in [Status].
	Digest    string
	Frontends []Frontend     // sorted by address
	Groups    []Group        // of backends
	Insiders  []config.Range // clients inside the cluster
}

// Frontend is an address and port that clients connect to.
type Frontend struct {
	Addr          netip.AddrPort
	ProxyProtocol uint8 // version
	// From are those whose connections begin with a header that is believed.
	From []netip.Prefix
	// Group and Inside are indexes into Groups, for clients outside and inside the
	// cluster. Without the first, or backends in it, nobody is let in; without the
	// second, who is inside is as everybody.
	Group, Inside *int `json:",omitempty"`
}

// Group is a group of backends.
type Group struct {
	Affinity bool             // the client's port does not count
	Backends []netip.AddrPort // in the order of [l4proxy.Group]
	Draining []netip.AddrPort // keep the connections they have
}

// ConfigOf is what a relay does for these tables; where they differ about a
// frontend the first one counts.
func ConfigOf(tables ...l4proxy.Table) Config {
	var c Config
	all := map[netip.AddrPort]l4proxy.Relay{}
	for _, t := range slices.Backward(tables) {
		for f, r := range t.Relayed() {
			all[f.Addr] = r
		}
		if t.RelayedLen() > 0 {
			c.Insiders = t.Insiders()
		}
	}
	for addr, r := range all {
		c.Frontends = append(c.Frontends, Frontend{Addr: addr, ProxyProtocol: r.ProxyProtocol.Version, From: r.ProxyProtocol.From})
	}
	slices.SortFunc(c.Frontends, func(a, b Frontend) int { return a.Addr.Compare(b.Addr) })
	known := map[*l4proxy.Group]*int{}
	for i := range c.Frontends {
		f := &c.Frontends[i]
		r := all[f.Addr]
		f.Group, f.Inside = c.index(known, r.Group), c.index(known, r.Inside)
	}
	c.Digest = c.digest()
	return c
}

// index is that of g among the groups, to which it is added.
func (c *Config) index(known map[*l4proxy.Group]*int, g *l4proxy.Group) *int {
	if g == nil {
		return nil
	}
	if i, ok := known[g]; ok {
		return i
	}
	out := Group{Affinity: g.Affinity}
	for _, b := range g.Backends {
		out.Backends = append(out.Backends, b.Addr)
	}
	for _, d := range g.Draining {
		out.Draining = append(out.Draining, d.Addr)
	}
	i := len(c.Groups)
	c.Groups = append(c.Groups, out)
	known[g] = &i
	return &i
}

func (c Config) digest() string {
	c.Digest = ""
	text, err := json.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("relay: a Config is not JSON: %v", err)) // addresses and numbers always are
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12])
}

// addrs are those of the frontends.
func (c Config) addrs() map[netip.AddrPort]bool {
	out := make(map[netip.AddrPort]bool, len(c.Frontends))
	for _, f := range c.Frontends {
		out[f.Addr] = true
	}
	return out
}

// check refuses what cannot be done.
func (c Config) check() error {
	for _, f := range c.Frontends {
		if f.ProxyProtocol != 1 && f.ProxyProtocol != 2 {
			return fmt.Errorf("frontend %v: PROXY protocol version %d", f.Addr, f.ProxyProtocol)
		}
		if slices.ContainsFunc(f.From, func(p netip.Prefix) bool { return !p.IsValid() }) {
			return fmt.Errorf("frontend %v: headers from %v", f.Addr, f.From)
		}
		for _, i := range []*int{f.Group, f.Inside} {
			if i != nil && (*i < 0 || *i >= len(c.Groups) || len(c.Groups[*i].Backends)+len(c.Groups[*i].Draining) == 0) {
				return fmt.Errorf("frontend %v: there is no group %d with backends", f.Addr, *i)
			}
		}
	}
	for i, g := range c.Groups {
		for _, b := range g.Backends {
			if !b.IsValid() {
				return fmt.Errorf("group %d: a backend without an address", i)
			}
		}
	}
	for _, r := range c.Insiders {
		if !r.From.IsValid() || r.From.BitLen() != r.To.BitLen() {
			return fmt.Errorf("range %v-%v is none", r.From, r.To)
		}
	}
	return nil
}
