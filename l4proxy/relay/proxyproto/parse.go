package proxyproto

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Parse reads the header at the beginning of b and tells its length. It is
// strict: what the specification does not allow is an error, and so are fields
// that are said twice. With [ErrShort] b may become a header when more comes; it
// is never returned for [MaxV2] bytes. With [ErrNone] b is no header at all.
func Parse(b []byte) (h Header, length int, err error) {
	switch {
	case begins(b, signature):
		return parseV2(b)
	case begins(b, prefixV1):
		return parseV1(b)
	}
	return Header{}, 0, ErrNone
}

// begins tells whether b is the beginning of a header that begins with prefix.
func begins(b []byte, prefix string) bool {
	n := min(len(b), len(prefix))
	return string(b[:n]) == prefix[:n]
}

func parseV1(b []byte) (Header, int, error) {
	line := b[:min(len(b), MaxV1)]
	end := bytes.IndexByte(line, '\r')
	switch {
	case end < 0 && len(line) < MaxV1:
		return Header{}, 0, ErrShort
	case end < 0 || end+1 == MaxV1:
		return Header{}, 0, fmt.Errorf("PROXY line is longer than %d bytes", MaxV1)
	case end+1 == len(line):
		return Header{}, 0, ErrShort
	case line[end+1] != '\n':
		return Header{}, 0, fmt.Errorf("PROXY line has a CR without LF")
	}
	text := string(line[len(prefixV1):end])
	if strings.ContainsRune(text, '\n') {
		return Header{}, 0, fmt.Errorf("PROXY line has a LF without CR")
	}
	if text == "UNKNOWN" || strings.HasPrefix(text, "UNKNOWN ") {
		return Header{}, end + 2, nil // the rest is to be ignored
	}
	h, err := parseAddrs(text)
	if err != nil {
		return Header{}, 0, err
	}
	return h, end + 2, nil
}

// parseAddrs reads "TCP4 192.0.2.1 192.0.2.2 1234 80".
func parseAddrs(text string) (h Header, err error) {
	words := strings.Split(text, " ")
	if len(words) != 5 || words[0] != "TCP4" && words[0] != "TCP6" {
		return h, fmt.Errorf("PROXY line says %q, not TCP4 or TCP6, two addresses and two ports", text)
	}
	var addrs [2]netip.Addr
	var ports [2]uint16
	for i := range 2 {
		if addrs[i], err = netip.ParseAddr(words[1+i]); err != nil {
			return h, fmt.Errorf("address in PROXY line: %w", err)
		}
		if addrs[i].Is4() != (words[0] == "TCP4") || addrs[i].Zone() != "" {
			return h, fmt.Errorf("address %v in PROXY line is not one of %s", addrs[i], words[0])
		}
		port, err := strconv.ParseUint(words[3+i], 10, 16)
		if err != nil || strconv.FormatUint(port, 10) != words[3+i] {
			return h, fmt.Errorf("port %q in PROXY line is not from 0 to 65535", words[3+i])
		}
		ports[i] = uint16(port)
	}
	return Header{Src: netip.AddrPortFrom(addrs[0], ports[0]), Dst: netip.AddrPortFrom(addrs[1], ports[1])}, nil
}

func parseV2(b []byte) (Header, int, error) {
	if len(b) < lenFixed {
		return Header{}, 0, ErrShort
	}
	command, family := b[12], b[13]
	if command != cmdLocal && command != cmdProxy {
		return Header{}, 0, fmt.Errorf("PROXY header has version and command %#x", command)
	}
	length := lenFixed + int(binary.BigEndian.Uint16(b[14:]))
	if length > MaxV2 {
		return Header{}, 0, fmt.Errorf("PROXY header is of %d bytes, more than %d", length, MaxV2)
	}
	if len(b) < length {
		return Header{}, 0, ErrShort
	}
	h, rest, err := parseFamily(family, b[lenFixed:length])
	if err != nil {
		return Header{}, 0, err
	}
	if command == cmdLocal {
		h = Header{} // whatever it says of addresses
	}
	if err := h.parseTLVs(b[:length], length-len(rest)); err != nil {
		return Header{}, 0, err
	}
	return h, length, nil
}

// parseFamily reads the addresses and returns what is behind them.
func parseFamily(family byte, b []byte) (h Header, rest []byte, err error) {
	size, known := map[byte]int{famUnspec: 0, famTCP4: lenV4, famUDP4: lenV4, famTCP6: lenV6, famUDP6: lenV6, famUnix: lenUnix, famUnixDG: lenUnix}[family]
	switch {
	case !known:
		return h, nil, fmt.Errorf("PROXY header has family and protocol %#x", family)
	case len(b) < size:
		return h, nil, fmt.Errorf("PROXY header has %d bytes, too few for its addresses", len(b))
	}
	if size == lenV4 || size == lenV6 {
		n := (size - 4) / 2
		src, _ := netip.AddrFromSlice(b[:n])
		dst, _ := netip.AddrFromSlice(b[n : 2*n])
		h.Src = netip.AddrPortFrom(src, binary.BigEndian.Uint16(b[2*n:]))
		h.Dst = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(b[2*n+2:]))
	}
	return h, b[size:], nil
}

// parseTLVs reads what is behind the addresses, from at on (section 2.2.1). Types
// that are not known are skipped, as the specification wants it.
func (h *Header) parseTLVs(all []byte, at int) error {
	seen := map[byte]bool{}
	for at < len(all) {
		if len(all)-at < lenTLV {
			return fmt.Errorf("PROXY header ends within a TLV")
		}
		kind, size := all[at], int(binary.BigEndian.Uint16(all[at+1:]))
		at += lenTLV
		if len(all)-at < size {
			return fmt.Errorf("PROXY header: TLV %#x of %d bytes goes beyond the end", kind, size)
		}
		value := all[at : at+size]
		if kind == tlvAuthority || kind == tlvUniqueID || kind == tlvCRC32C {
			if seen[kind] {
				return fmt.Errorf("PROXY header: TLV %#x is there twice", kind)
			}
			seen[kind] = true
		}
		switch kind {
		case tlvAuthority:
			if size > maxAuthority || !utf8.Valid(value) || bytes.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
				return fmt.Errorf("PROXY header: authority %q is no host name", value)
			}
			h.Authority = string(value)
		case tlvUniqueID:
			if size > maxUniqueID {
				return fmt.Errorf("PROXY header: unique ID is of %d bytes, more than %d", size, maxUniqueID)
			}
			h.UniqueID = string(value)
		case tlvCRC32C:
			if size != 4 || binary.BigEndian.Uint32(value) != checksum(all, at) {
				return fmt.Errorf("PROXY header: checksum is wrong")
			}
		}
		at += size
	}
	return nil
}

// checksum is that of a header whose own checksum, at that place, counts as zero
// (section 2.2.3).
func checksum(all []byte, at int) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, table, all[:at])
	sum = crc32.Update(sum, table, make([]byte, 4))
	return crc32.Update(sum, table, all[at+4:])
}
