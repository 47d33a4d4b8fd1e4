package podnet

import (
	"errors"
	"fmt"
	"net/netip"
)

// ErrExhausted reports a pod range without a free address.
var ErrExhausted = errors.New("no free pod address")

// maxAddrs is how much of a large IPv6 range is used.
const maxAddrs = 1 << 16

// pool hands out the addresses of one pod range, the least recently used
// first, so that a late packet for a deleted pod does not meet its successor.
// The first address is the gateway's.
type pool struct {
	prefix netip.Prefix
	last   netip.Addr
	used   map[netip.Addr]bool
}

func newPool(p netip.Prefix) *pool {
	p = p.Masked()
	return &pool{prefix: p, last: p.Addr().Next(), used: map[netip.Addr]bool{}}
}

func (p *pool) gateway() netip.Addr { return p.prefix.Addr().Next() }

func (p *pool) take() (netip.Addr, error) {
	addr := p.last
	for range maxAddrs {
		addr = addr.Next()
		if !p.usable(addr) {
			addr = p.gateway() // start over
			continue
		}
		if !p.used[addr] {
			p.used[addr], p.last = true, addr
			return addr, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("%w in %v", ErrExhausted, p.prefix)
}

// usable leaves out what is beyond the range and the IPv4 broadcast address.
func (p *pool) usable(addr netip.Addr) bool {
	return p.prefix.Contains(addr) && (addr.Is6() || p.prefix.Contains(addr.Next()))
}

func (p *pool) give(addr netip.Addr) { delete(p.used, addr) }
