package pulse

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/steelyard-lb/steelyard/speaker/keys"
)

// id stands for a node on the wire and in the ring: the first eight bytes of
// the SHA-256 of its name.
type id uint64

func idOf(node string) id {
	sum := sha256.Sum256([]byte(node))
	return id(binary.BigEndian.Uint64(sum[:]))
}

// kind is what a packet is for.
type kind byte

const (
	beat   kind = iota + 1 // sent by the clock, or to tell of a death at once
	poll                   // asks for an answer at once
	answer                 // to a poll
	bye                    // last word of a process that ends in order
)

// packet is one datagram. Every packet proves that its sender lives, and says
// whom it finds dead.
type packet struct {
	Kind kind
	From id
	// Mine is drawn by the sender's process when it starts; Yours is what it
	// knows of the receiver's, 0 for nothing.
	Mine, Yours uint64
	// Seq grows with each packet of this sender to this receiver; Echo is the
	// highest that it has seen of the receiver's.
	Seq, Echo uint64
	Down      []id // whom the sender found dead a short time ago
}

const (
	version  = 1
	maxDown  = 32
	headSize = 4 + 5*8 // version, kind, number of Down, zero; five words
	macSize  = 16      // of HMAC-SHA-256, truncated (RFC 2104, 5)
	maxSize  = headSize + maxDown*8 + macSize
)

// seal appends p as a datagram to b. Of Down what does not fit is left out.
func (p *packet) seal(b, key []byte) []byte {
	start := len(b)
	down := p.Down[:min(len(p.Down), maxDown)]
	b = append(b, version, byte(p.Kind), byte(len(down)), 0)
	for _, word := range []uint64{uint64(p.From), p.Mine, p.Yours, p.Seq, p.Echo} {
		b = binary.BigEndian.AppendUint64(b, word)
	}
	for _, d := range down {
		b = binary.BigEndian.AppendUint64(b, uint64(d))
	}
	return append(b, macOf(b[start:], key)...)
}

// open reads a datagram; false if it is none of ours or made with none of keys.
func open(b []byte, keys [][]byte) (p packet, ok bool) {
	if len(b) < headSize+macSize || b[0] != version || len(b) != headSize+int(b[2])*8+macSize || b[2] > maxDown {
		return p, false
	}
	body := b[:len(b)-macSize]
	if !slices.ContainsFunc(keys, func(key []byte) bool { return hmac.Equal(macOf(body, key), b[len(body):]) }) {
		return p, false
	}
	word := func(i int) uint64 { return binary.BigEndian.Uint64(body[4+8*i:]) }
	p = packet{Kind: kind(b[1]), From: id(word(0)), Mine: word(1), Yours: word(2), Seq: word(3), Echo: word(4)}
	for i := range int(b[2]) {
		p.Down = append(p.Down, id(word(5+i)))
	}
	return p, p.Kind >= beat && p.Kind <= bye
}

func macOf(body, key []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(body)
	return h.Sum(nil)[:macSize]
}

// deriveKeys makes the keys of a ring, in its order.
func deriveKeys(r keys.Ring) (out [][]byte) {
	for _, k := range r {
		out = append(out, deriveKey([]byte(k)))
	}
	return out
}

// deriveKey makes the key of these packets from the gossip's secret, so that
// neither protocol's messages mean anything to the other.
func deriveKey(secret []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte("steelyard pulse v1"))
	return h.Sum(nil)
}
