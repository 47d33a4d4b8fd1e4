package podnet

import (
	"errors"
	"net/netip"
	"testing"
)

func TestPoolHandsOutEveryAddressOnce(t *testing.T) {
	p := newPool(netip.MustParsePrefix("10.244.3.0/29"))
	seen := map[netip.Addr]bool{}
	for range 5 { // .2 to .6: .1 is the gateway, .7 the broadcast address
		addr, err := p.take()
		if err != nil {
			t.Fatal(err)
		}
		if seen[addr] || addr == p.gateway() || addr.String() == "10.244.3.7" {
			t.Fatalf("got %v, had %v", addr, seen)
		}
		seen[addr] = true
	}
	if _, err := p.take(); !errors.Is(err, ErrExhausted) {
		t.Fatalf("full range: got %v", err)
	}
}

func TestPoolReusesAsLateAsPossible(t *testing.T) {
	p := newPool(netip.MustParsePrefix("10.244.3.0/24"))
	first, _ := p.take()
	p.give(first)
	next, err := p.take()
	if err != nil || next == first {
		t.Fatalf("got %v, %v right after giving back %v", next, err, first)
	}
}

func TestPoolIPv6(t *testing.T) {
	p := newPool(netip.MustParsePrefix("fd00:10:244:1::/64"))
	addr, err := p.take()
	if err != nil || addr.String() != "fd00:10:244:1::2" || p.gateway().String() != "fd00:10:244:1::1" {
		t.Fatalf("got %v, %v, gateway %v", addr, err, p.gateway())
	}
}
