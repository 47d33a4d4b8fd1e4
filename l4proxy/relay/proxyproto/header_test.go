package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

var (
	of4 = Header{Src: netip.MustParseAddrPort("203.0.113.7:51234"), Dst: netip.MustParseAddrPort("192.0.2.10:443")}
	of6 = Header{Src: netip.MustParseAddrPort("[2001:db8::7]:51234"), Dst: netip.MustParseAddrPort("[2001:db8:1::10]:443")}
)

func with(h Header, authority, id string) Header {
	h.Authority, h.UniqueID = authority, id
	return h
}

// TestAppend holds the bytes against the examples and layouts of the
// specification.
func TestAppend(t *testing.T) {
	v2 := func(rest ...string) string { return signature + strings.Join(rest, "") }
	const addrs4 = "\xcb\x00\x71\x07\xc0\x00\x02\x0a\xc8\x22\x01\xbb"
	const addrs6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07" +
		"\x20\x01\x0d\xb8\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\xc8\x22\x01\xbb"
	mapped := Header{Src: netip.MustParseAddrPort("[::ffff:203.0.113.7]:51234"), Dst: of4.Dst}
	for _, c := range []struct {
		name string
		h    Header
		v    Version
		want string
	}{
		{"v1, IPv4", of4, V1, "PROXY TCP4 203.0.113.7 192.0.2.10 51234 443\r\n"},
		{"v1, IPv6", of6, V1, "PROXY TCP6 2001:db8::7 2001:db8:1::10 51234 443\r\n"},
		{"v1, an IPv4 client of an IPv6 socket", mapped, V1, "PROXY TCP4 203.0.113.7 192.0.2.10 51234 443\r\n"},
		{"v1, two families", Header{Src: of4.Src, Dst: of6.Dst}, V1, "PROXY UNKNOWN\r\n"},
		{"v1, nobody", Header{}, V1, "PROXY UNKNOWN\r\n"},
		{"v2, IPv4", of4, V2, v2("\x21\x11\x00\x0c", addrs4)},
		{"v2, IPv6", of6, V2, v2("\x21\x21\x00\x24", addrs6)},
		{"v2, nobody", Header{}, V2, v2("\x20\x00\x00\x00")},
		{"v2, with more", with(of4, "shop.example", "\x01\x02"), V2,
			v2("\x21\x11\x00\x20", addrs4, "\x02\x00\x0cshop.example", "\x05\x00\x02\x01\x02")},
		{"v2, too long an ID", with(of4, "", strings.Repeat("x", 129)), V2, v2("\x21\x11\x00\x0c", addrs4)},
	} {
		got := c.h.Append([]byte("before"), c.v)
		if string(got) != "before"+c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, "before"+c.want)
		}
		h, n, err := Parse([]byte(c.want + "after"))
		if err != nil || n != len(c.want) {
			t.Errorf("%s: read back: %d of %d bytes, %v", c.name, n, len(c.want), err)
		}
		if said(unmap(c.h.Src), unmap(c.h.Dst)) && (h.Src != unmap(c.h.Src) || h.Dst != c.h.Dst) {
			t.Errorf("%s: read back as %+v", c.name, h)
		}
	}
	longest := Header{Src: netip.MustParseAddrPort("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"), Dst: netip.MustParseAddrPort("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535")}
	if n := len(longest.Append(nil, V1)); n > MaxV1 {
		t.Errorf("a line of %d bytes", n)
	}
}

// sealed appends TLVs and a right checksum to a header of version 2.
func sealed(h Header, tlvs string) []byte {
	b := append(h.Append(nil, V2), tlvs...)
	at := len(b) + lenTLV
	b = append(b, tlvCRC32C, 0, 4, 0, 0, 0, 0)
	binary.BigEndian.PutUint16(b[14:], uint16(len(b)-lenFixed))
	binary.BigEndian.PutUint32(b[at:], checksum(b, at))
	return b
}

func TestParse(t *testing.T) {
	flipped := sealed(of4, "")
	flipped[20]++
	long := "PROXY UNKNOWN " + strings.Repeat("x", MaxV1)
	unix := signature + "\x21\x31\x00\xd8" + strings.Repeat("\x00", lenUnix)
	for _, c := range []struct {
		name, in, want string // an error's text, or the header
		h              Header
	}{
		{"checksum", string(sealed(of4, "")), "", of4},
		{"checksum, and what nobody knows", string(sealed(of4, "\xe0\x00\x01x\x04\x00\x02..")), "", of4},
		{"everything", string(sealed(with(of6, "shop.example", "id"), "")), "", with(of6, "shop.example", "id")},
		{"UNKNOWN with a tail", "PROXY UNKNOWN ffff::1 what ever\r\n", "", Header{}},
		{"LOCAL with addresses", signature + "\x20\x11\x00\x0c\x01\x02\x03\x04\x01\x02\x03\x04\x00\x01\x00\x02", "", Header{}},
		{"of a Unix socket", unix, "", Header{}},
		{"a datagram", signature + "\x21\x12\x00\x0c\x01\x02\x03\x04\x01\x02\x03\x05\x00\x01\x00\x02", "",
			Header{Src: netip.MustParseAddrPort("1.2.3.4:1"), Dst: netip.MustParseAddrPort("1.2.3.5:2")}},

		{"nothing", "", ErrShort.Error(), Header{}},
		{"a beginning", "\r\n\r", ErrShort.Error(), Header{}},
		{"HTTP", "GET / HTTP/1.1\r\n", ErrNone.Error(), Header{}},
		{"another word", "PROXZ ", ErrNone.Error(), Header{}},
		{"a wrong checksum", string(flipped), "checksum is wrong", Header{}},
		{"a short checksum", signature + "\x20\x00\x00\x05\x03\x00\x02ab", "checksum is wrong", Header{}},
		{"two IDs", signature + "\x20\x00\x00\x08\x05\x00\x01a\x05\x00\x01b", "twice", Header{}},
		{"half a TLV", signature + "\x20\x00\x00\x02\x05\x00", "within a TLV", Header{}},
		{"a TLV beyond the end", signature + "\x20\x00\x00\x04\x05\x00\x02a", "beyond the end", Header{}},
		{"an authority that is none", signature + "\x20\x00\x00\x05\x02\x00\x02a\n", "no host name", Header{}},
		{"too long an ID", signature + "\x20\x00\x00\x84\x05\x00\x81" + strings.Repeat("x", 129), "more than 128", Header{}},
		{"version 3", signature + "\x31\x11\x00\x00", "version and command", Header{}},
		{"an unknown command", signature + "\x22\x11\x00\x00", "version and command", Header{}},
		{"an unknown family", signature + "\x21\x41\x00\x00", "family and protocol", Header{}},
		{"too short for its addresses", signature + "\x21\x11\x00\x0b" + strings.Repeat("x", 11), "too few", Header{}},
		{"too long", signature + "\x21\x11\xff\xff", "more than 4096", Header{}},
		{"an endless line", long, "longer than", Header{}},
		{"CR alone", "PROXY UNKNOWN\rx", "CR without LF", Header{}},
		{"LF alone", "PROXY UNKNOWN \n\r\n", "LF without CR", Header{}},
		{"no protocol", "PROXY \r\n", "not TCP4 or TCP6", Header{}},
		{"UDP4", "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", "not TCP4 or TCP6", Header{}},
		{"two blanks", "PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", "not TCP4 or TCP6", Header{}},
		{"a blank at the end", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", "not TCP4 or TCP6", Header{}},
		{"the other family", "PROXY TCP4 ::1 ::1 1 2\r\n", "not one of TCP4", Header{}},
		{"a zone", "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", "not one of TCP6", Header{}},
		{"a zero in front", "PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n", "address in PROXY line", Header{}},
		{"a port too high", "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", "is not from 0", Header{}},
		{"a port with zeros", "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "is not from 0", Header{}},
		{"a signed port", "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", "is not from 0", Header{}},
	} {
		h, n, err := Parse([]byte(c.in))
		switch {
		case c.want == "" && (err != nil || h != c.h || n != len(c.in)):
			t.Errorf("%s: %+v, %d of %d bytes, %v", c.name, h, n, len(c.in), err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || n != 0):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// FuzzParse: whatever comes is read or refused, the same way again when it is
// written anew, and what begins a header is never refused before it is there.
func FuzzParse(f *testing.F) {
	for _, b := range [][]byte{of4.Append(nil, V1), of6.Append(nil, V2), sealed(with(of4, "a.example", "id"), "\xe0\x00\x00"), []byte("PROXY UNKNOWN\r\n"), []byte("GET / HTTP/1.0\r\n")} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := Parse(b)
		if errors.Is(err, ErrShort) && len(b) >= MaxV2 {
			t.Errorf("more wanted after %d bytes", len(b))
		}
		if err != nil {
			if n != 0 || h != (Header{}) {
				t.Errorf("refused, and read as %+v, %d", h, n)
			}
			return
		}
		if n <= 0 || n > len(b) {
			t.Fatalf("%d of %d bytes", n, len(b))
		}
		for i := range n {
			if _, _, err := Parse(b[:i]); !errors.Is(err, ErrShort) {
				t.Errorf("the first %d of %d bytes: %v", i, n, err)
			}
		}
		again := h.Append(nil, V2)
		h.Src, h.Dst = unmap(h.Src), unmap(h.Dst)
		if !said(h.Src, h.Dst) {
			h.Src, h.Dst = netip.AddrPort{}, netip.AddrPort{}
		}
		got, m, err := Parse(append(bytes.Clone(again), b...))
		if err != nil || m != len(again) || got != h {
			t.Errorf("%q is %+v, and written anew %+v, %v", b[:n], h, got, err)
		}
	})
}
