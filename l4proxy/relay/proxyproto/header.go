// Package proxyproto reads and writes the header of the PROXY protocol, which
// tells a server at the beginning of a TCP connection who its client is, although
// the connection comes from a proxy (The PROXY protocol, versions 1 & 2, HAProxy
// Technologies). It is pure: bytes in, values out.
package proxyproto

import (
	"errors"
	"net/netip"
)

// Version is a version of the protocol: 1 is a line of text, 2 is binary and has
// room for more than addresses.
type Version uint8

// The versions.
const (
	V1 Version = 1
	V2 Version = 2
)

// Most that a header takes.
const (
	// MaxV1 is the length of the longest line of version 1, its CR LF included
	// (section 2.1).
	MaxV1 = 107
	// MaxV2 bounds what [Parse] takes for a header of version 2, which could say
	// that it is 16 times as long. TLS certificates, the longest thing that
	// anybody sends, fit.
	MaxV2 = 4096

	maxAuthority = 255 // of a host name (section 2.2.2)
	maxUniqueID  = 128 // section 2.2.5
)

// Header is what a proxy says about a connection.
type Header struct {
	// Src is the client and Dst what it connected to, of one family. They are
	// invalid if the proxy does not say: the connection is its own (LOCAL, such as
	// a health check), or of no family that has addresses here (UNKNOWN, UNSPEC,
	// Unix sockets).
	Src, Dst netip.AddrPort

	// Version 2 alone says these; empty: not said.
	Authority string // host name the client asked for, by SNI
	UniqueID  string // of the connection, any bytes
}

var (
	// ErrShort tells that there is the beginning of a header and no more yet.
	ErrShort = errors.New("PROXY header is not complete")
	// ErrNone tells that these are not the first bytes of any header.
	ErrNone = errors.New("no PROXY header")
)

// signature is how version 2 begins (section 2.2).
const signature = "\r\n\r\n\x00\r\nQUIT\n"

const prefixV1 = "PROXY "

// What the 13th and 14th byte of version 2 say, and the types of what follows the
// addresses (sections 2.2 and 2.2.1).
const (
	cmdLocal = 0x20
	cmdProxy = 0x21

	famUnspec = 0x00
	famTCP4   = 0x11
	famUDP4   = 0x12
	famTCP6   = 0x21
	famUDP6   = 0x22
	famUnix   = 0x31
	famUnixDG = 0x32

	tlvAuthority = 0x02
	tlvCRC32C    = 0x03
	tlvUniqueID  = 0x05

	lenFixed = 16
	lenV4    = 12
	lenV6    = 36
	lenUnix  = 216
	lenTLV   = 3
)
