package lan

import (
	"net"
	"net/netip"
	"testing"
)

var (
	mac1 = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	mac2 = net.HardwareAddr{2, 0, 0, 0, 0, 2}
)

func TestQuestion(t *testing.T) {
	for addr, asker := range map[string]string{"192.0.2.10": "192.0.2.1", "2001:db8::abcd:10": "2001:db8::1"} {
		b, err := question(mac1, netip.MustParseAddr(asker), netip.MustParseAddr(addr))
		if err != nil {
			t.Fatal(err)
		}
		f, ok := Parse(b)
		if !ok || f.Kind != Question || f.Addr.String() != addr || f.Asker.String() != asker || f.From.String() != mac1.String() {
			t.Errorf("%s: %+v, %v", addr, f, ok)
		}
		if want := map[bool]string{true: "ff:ff:ff:ff:ff:ff", false: "33:33:ff:cd:00:10"}[f.Addr.Is4()]; f.To.String() != want {
			t.Errorf("%s: to %v, want %s", addr, f.To, want)
		}
	}
}

func TestParse(t *testing.T) {
	a, b := netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("192.0.2.1")
	na := func(to net.HardwareAddr, flags byte) []byte {
		v := netip.MustParseAddr("2001:db8::10").As16()
		f := append(append(append([]byte{}, to...), mac2...), 0x86, 0xdd, 0x60, 0, 0, 0, 0, 24, 58, 255)
		f = append(append(f, v[:]...), v[:]...)
		return append(append(f, 136, 0, 0, 0, flags, 0, 0, 0), v[:]...)
	}
	for name, tt := range map[string]struct {
		frame []byte
		want  Kind
	}{
		"request":            {arp(1, broadcast, mac1, b, mac2, a), Question},
		"reply":              {arp(2, mac1, mac2, a, mac1, b), Answer},
		"gratuitous request": {arp(1, broadcast, mac2, a, mac2, a), Announcement},
		"gratuitous reply":   {arp(2, broadcast, mac2, a, mac2, a), Announcement},
		"NA solicited":       {na(mac1, 0x60), Answer},
		"NA unsolicited":     {na(net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}, 0x20), Announcement},
		"cut short":          {na(mac1, 0x60)[:77], 0},
		"something else":     {make([]byte, 100), 0},
		"nothing":            {nil, 0},
	} {
		f, ok := Parse(tt.frame)
		if ok != (tt.want != 0) || ok && f.Kind != tt.want {
			t.Errorf("%s: %v, %v; want kind %v", name, f.Kind, ok, tt.want)
		}
		if ok && f.Kind != Question && f.From.String() != mac2.String() {
			t.Errorf("%s: from %v", name, f.From)
		}
	}
}
