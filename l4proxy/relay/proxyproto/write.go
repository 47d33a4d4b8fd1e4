package proxyproto

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// Append appends the header to b. Addresses that are missing, or of two
// families, are not said: the header is then that of a connection of the proxy's
// own. Version 1 has no words for anything but addresses. What is too long for its
// field is left out.
func (h Header) Append(b []byte, v Version) []byte {
	src, dst := unmap(h.Src), unmap(h.Dst)
	if v == V1 {
		return appendV1(b, src, dst)
	}
	start := len(b)
	b = append(b, signature...)
	switch {
	case !said(src, dst):
		b = append(b, cmdLocal, famUnspec, 0, 0)
	case src.Addr().Is4():
		b = append(b, cmdProxy, famTCP4, 0, 0)
	default:
		b = append(b, cmdProxy, famTCP6, 0, 0)
	}
	if said(src, dst) {
		b = append(b, src.Addr().AsSlice()...)
		b = append(b, dst.Addr().AsSlice()...)
		b = binary.BigEndian.AppendUint16(b, src.Port())
		b = binary.BigEndian.AppendUint16(b, dst.Port())
	}
	b = appendTLV(b, tlvAuthority, h.Authority, maxAuthority)
	b = appendTLV(b, tlvUniqueID, h.UniqueID, maxUniqueID)
	binary.BigEndian.PutUint16(b[start+lenFixed-2:], uint16(len(b)-start-lenFixed))
	return b
}

func appendV1(b []byte, src, dst netip.AddrPort) []byte {
	if !said(src, dst) {
		return append(b, "PROXY UNKNOWN\r\n"...)
	}
	family := "TCP4 "
	if src.Addr().Is6() {
		family = "TCP6 "
	}
	b = append(append(b, prefixV1...), family...)
	b = append(src.Addr().AppendTo(b), ' ')
	b = append(dst.Addr().AppendTo(b), ' ')
	b = append(strconv.AppendUint(b, uint64(src.Port()), 10), ' ')
	b = strconv.AppendUint(b, uint64(dst.Port()), 10)
	return append(b, "\r\n"...)
}

func appendTLV(b []byte, kind byte, value string, most int) []byte {
	if value == "" || len(value) > most {
		return b
	}
	b = append(b, kind, byte(len(value)>>8), byte(len(value)))
	return append(b, value...)
}

// unmap gives an address the form that goes over the wire: an IPv4 client of an
// IPv6 socket is one of IPv4, and zones are nobody else's business.
func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

func said(src, dst netip.AddrPort) bool {
	return src.Addr().IsValid() && src.Addr().BitLen() == dst.Addr().BitLen()
}
