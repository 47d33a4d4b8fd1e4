package packet

import (
	"encoding/binary"
	"time"
)

const (
	version     = 1
	headSize    = 24
	maxSize     = 255 // Length is one byte
	maxInterval = time.Duration(1<<32-1) * time.Microsecond
)

// MaxSize is the size of the largest packet that [Packet.Append] makes.
const MaxSize = headSize + sha1Size

// The bits of the second byte, below the state.
const (
	bitMultipoint byte = 1 << iota
	bitDemand
	bitAuth
	bitIndependent
	bitFinal
	bitPoll
)

// Packet is a control packet (RFC 5880, 4.1). Intervals are whole microseconds
// on the wire.
type Packet struct {
	Diag        Diag
	State       State
	Poll, Final bool
	Independent bool // C: the sender's BFD does not share its control plane's fate
	Demand      bool
	Multiplier  uint8
	Mine, Yours uint32 // discriminators, as the sender sees it
	MinTx       time.Duration
	MinRx       time.Duration
	MinEchoRx   time.Duration
	Auth        Auth // the zero value: no section
}

// Auth is what an authentication section says, without its proof.
type Auth struct {
	Type  AuthType
	KeyID uint8
	Seq   uint32 // of the MD5 and SHA1 types
}

// Append writes p behind b. key makes the proof; p.Auth is what it says, and
// only its sequence number is read: type and ID are the key's.
func (p *Packet) Append(b []byte, key Key) []byte {
	start := len(b)
	b = append(b, version<<5|byte(p.Diag)&0x1f, byte(p.State)<<6|p.bits(key), p.Multiplier, byte(headSize+key.Type.size()))
	b = binary.BigEndian.AppendUint32(b, p.Mine)
	b = binary.BigEndian.AppendUint32(b, p.Yours)
	for _, d := range [...]time.Duration{p.MinTx, p.MinRx, p.MinEchoRx} {
		b = binary.BigEndian.AppendUint32(b, uint32(max(0, min(d, maxInterval))/time.Microsecond))
	}
	return key.seal(b, start, p.Auth.Seq)
}

func (p *Packet) bits(key Key) (out byte) {
	for _, flag := range [...]struct {
		set bool
		bit byte
	}{
		{p.Demand, bitDemand}, {key.Type != AuthNone, bitAuth}, {p.Independent, bitIndependent},
		{p.Final, bitFinal}, {p.Poll, bitPoll},
	} {
		if flag.set {
			out |= flag.bit
		}
	}
	return out
}

// Parse reads the datagram b, and checks what RFC 5880, 6.8.6, wants of a
// packet before it is given to a session. What follows the packet's own length
// is not looked at.
func Parse(b []byte) (p Packet, why Discard) {
	if len(b) < headSize {
		return p, Short
	}
	length, auth := int(b[3]), b[1]&bitAuth != 0
	switch {
	case b[0]>>5 != version:
		return p, BadVersion
	case length < headSize, auth && length < headSize+authHead:
		return p, BadLength
	case length > len(b):
		return p, Truncated
	case b[2] == 0:
		return p, ZeroMultiplier
	case b[1]&bitMultipoint != 0:
		return p, Multipoint
	}
	p = head(b)
	switch {
	case p.Mine == 0:
		return p, ZeroDiscriminator
	case p.Yours == 0 && p.State != Down && p.State != AdminDown:
		return p, NoDiscriminator
	}
	if auth {
		p.Auth, why = parseAuth(b[headSize:length])
	}
	return p, why
}

func head(b []byte) Packet {
	interval := func(at int) time.Duration {
		return time.Duration(binary.BigEndian.Uint32(b[at:])) * time.Microsecond
	}
	return Packet{
		Diag: Diag(b[0] & 0x1f), State: State(b[1] >> 6),
		Poll: b[1]&bitPoll != 0, Final: b[1]&bitFinal != 0,
		Independent: b[1]&bitIndependent != 0, Demand: b[1]&bitDemand != 0,
		Multiplier: b[2],
		Mine:       binary.BigEndian.Uint32(b[4:]), Yours: binary.BigEndian.Uint32(b[8:]),
		MinTx: interval(12), MinRx: interval(16), MinEchoRx: interval(20),
	}
}
