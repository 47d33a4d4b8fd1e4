package nft

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

func TestRefusal(t *testing.T) {
	for _, ends := range [][2]string{{"192.0.2.2:40000", "198.51.100.10:80"}, {"[2001:db8:1::2]:40000", "[2001:db8:100::10]:80"}} {
		r := refusal{client: netip.MustParseAddrPort(ends[0]), from: netip.MustParseAddrPort(ends[1]), sequence: 0xffffffff}
		got, ok := parseRefusal(r.reset())
		if !ok || got != r {
			t.Errorf("got %v, %t, want %v", got, ok, r)
		}
		b, header := r.reset(), ip4Header
		if r.client.Addr().Is6() {
			header = ip6Header
		}
		pseudo := append([]byte{}, b[header-2*len(r.client.Addr().AsSlice()):header]...)
		pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(b)-header))
		pseudo = binary.BigEndian.AppendUint32(pseudo, 6)
		if sum := checksum(append(pseudo, b[header:]...)); sum != 0 {
			t.Errorf("checksum of %x is off by %x", b, sum)
		}
		b[header+13] = tcpRST
		if got, ok := parseRefusal(b); ok {
			t.Errorf("a reset that acknowledges nothing is read as %v", got)
		}
	}
}

func FuzzRefusal(f *testing.F) {
	r := refusal{client: netip.MustParseAddrPort("192.0.2.2:1"), from: netip.MustParseAddrPort("192.0.2.3:2")}
	f.Add(r.reset())
	f.Add(refusal{client: netip.MustParseAddrPort("[::1]:1"), from: netip.MustParseAddrPort("[::2]:2")}.reset())
	f.Add([]byte{0x4f, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, ok := parseRefusal(b); ok {
			if again, ok := parseRefusal(r.reset()); !ok || again != r {
				t.Errorf("%v became %v", r, again)
			}
		}
	})
}
