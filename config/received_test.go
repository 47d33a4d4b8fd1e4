package config

import (
	"net/netip"
	"testing"
)

func TestTakes(t *testing.T) {
	received := func(prefix string, shortest, longest uint8) Received {
		return Received{netip.MustParsePrefix(prefix), shortest, longest}
	}
	exact, inside, all := received("10.0.0.0/8", 8, 8), received("10.0.0.0/8", 16, 24), received("0.0.0.0/0", 0, 32)
	for _, c := range []struct {
		prefix string
		of     Received
		want   bool
	}{
		{"10.0.0.0/8", exact, true}, {"10.1.0.0/16", exact, false}, {"0.0.0.0/0", exact, false},
		{"10.1.0.0/16", inside, true}, {"10.1.2.0/24", inside, true}, {"10.0.0.0/8", inside, false}, {"10.1.2.3/32", inside, false},
		{"11.1.0.0/16", inside, false},
		{"0.0.0.0/0", all, true}, {"192.0.2.1/32", all, true}, {"::/0", all, false}, {"2001:db8::/32", all, false},
		{"2001:db8:1::/48", received("2001:db8::/32", 32, 64), true},
	} {
		p := &Peer{ToReceive: []Received{received("192.0.2.99/32", 32, 32), c.of}}
		if got := p.Takes(netip.MustParsePrefix(c.prefix)); got != c.want {
			t.Errorf("%s of %+v: %t", c.prefix, c.of, got)
		}
	}
	if (&Peer{}).Takes(netip.MustParsePrefix("10.0.0.0/8")) {
		t.Error("a peer that says nothing takes something")
	}
}
