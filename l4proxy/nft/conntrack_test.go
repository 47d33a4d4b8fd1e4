package nft

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config"
)

// attr is a netlink attribute as a little-endian kernel writes it.
func attr(kind byte, value ...byte) []byte {
	b := append([]byte{byte(4 + len(value)), 0, kind, 0}, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func tuple(src, dst [4]byte, proto, srcPort, dstPort byte) []byte {
	ip := attr(1, append(attr(1, src[:]...), attr(2, dst[:]...)...)...)
	ports := append(attr(1, proto), append(attr(2, 0, srcPort), attr(3, 0, dstPort)...)...)
	return append(ip, attr(2, ports...)...)
}

var sample = append([]byte{unix.AF_INET, 0, 0, 0},
	append(attr(1, tuple([4]byte{192, 0, 2, 2}, [4]byte{198, 51, 100, 1}, 17, 99, 53)...),
		append(attr(2, tuple([4]byte{10, 1, 1, 1}, [4]byte{192, 0, 2, 2}, 17, 80, 99)...),
			attr(12, 1, 2, 3, 4)...)...)...)

func TestParseEntry(t *testing.T) {
	e, ok := parseEntry(sample)
	if !ok || e.proto != config.UDP || e.origDst != netip.MustParseAddrPort("198.51.100.1:53") ||
		e.replySrc != netip.MustParseAddrPort("10.1.1.1:80") || e.family != unix.AF_INET {
		t.Errorf("%+v %t", e, ok)
	}
	if len(e.identity) != 4+len(tuple([4]byte{}, [4]byte{}, 0, 0, 0))+8 {
		t.Errorf("identity of %d bytes", len(e.identity))
	}
}

func FuzzParseEntry(f *testing.F) {
	f.Add(sample)
	f.Add(sample[:20])
	f.Fuzz(func(t *testing.T, msg []byte) {
		if e, ok := parseEntry(msg); ok && len(e.identity) > len(msg) {
			t.Errorf("identity of %d bytes from a message of %d", len(e.identity), len(msg))
		}
	})
}
