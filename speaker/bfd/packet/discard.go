package packet

import "fmt"

// Discard says why a packet was not kept; [Kept] if it was. The text of each is
// a label of metrics.
type Discard uint8

// The reasons, in the order in which they are looked for: those of the packet
// itself, of the way that it came, and of the session that it is for.
const (
	Kept Discard = iota

	Short             // less than the mandatory section
	BadVersion        // not version 1
	BadLength         // its length is less than its sections take
	Truncated         // its length is more than what arrived
	ZeroMultiplier    // detection multiplier 0
	Multipoint        // the bit is reserved (RFC 8562 has other packets)
	ZeroDiscriminator // the sender names no discriminator of its own
	NoDiscriminator   // names none of ours, in a state in which it must
	BadAuthLength     // the authentication section does not fit its type

	BadTTL           // came from further away than it may (RFC 5881, 5; RFC 5883, 5)
	UnknownSession   // names a discriminator that is not ours
	NoSession        // names none, and its addresses belong to no session
	WrongPath        // names one of ours, but came from elsewhere than its peer
	UnexpectedAuth   // authenticated, and the session is not
	MissingAuth      // not authenticated, and the session is
	WrongAuthType    // of another type than the session's
	WrongKeyID       // with a key ID that is not the session's
	BadSequence      // its sequence number is old, or far ahead
	BadDigest        // made with another key
	AdminDownSession // the session is administratively down: nothing moves it

	discards
)

// Discards are all reasons.
func Discards() []Discard {
	out := make([]Discard, 0, discards-1)
	for d := Kept + 1; d < discards; d++ {
		out = append(out, d)
	}
	return out
}

func (d Discard) String() string {
	if d < discards {
		return discardNames[d]
	}
	return fmt.Sprintf("reason %d", uint8(d))
}

var discardNames = [discards]string{
	Kept: "kept", Short: "short", BadVersion: "version", BadLength: "length", Truncated: "truncated",
	ZeroMultiplier: "zero-multiplier", Multipoint: "multipoint", ZeroDiscriminator: "zero-discriminator",
	NoDiscriminator: "no-discriminator", BadAuthLength: "auth-length", BadTTL: "ttl",
	UnknownSession: "unknown-session", NoSession: "no-session", WrongPath: "wrong-path",
	UnexpectedAuth: "unexpected-auth", MissingAuth: "missing-auth", WrongAuthType: "auth-type",
	WrongKeyID: "key-id", BadSequence: "sequence", BadDigest: "digest", AdminDownSession: "admin-down",
}
