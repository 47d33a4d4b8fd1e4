package packet

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// AuthType is the type of an authentication section (RFC 5880, 4.1).
type AuthType uint8

// The types of the RFC. A simple password travels in the clear and proves
// nothing: it is recognized and never used.
const (
	AuthNone AuthType = iota
	AuthPassword
	AuthMD5
	AuthMeticulousMD5
	AuthSHA1
	AuthMeticulousSHA1
)

func (t AuthType) String() string {
	if int(t) < len(authNames) {
		return authNames[t]
	}
	return fmt.Sprintf("type %d", uint8(t))
}

var authNames = [...]string{"none", "password", "md5", "meticulous-md5", "sha1", "meticulous-sha1"}

// Meticulous tells whether every packet has a sequence number of its own.
func (t AuthType) Meticulous() bool { return t == AuthMeticulousMD5 || t == AuthMeticulousSHA1 }

const (
	authHead   = 2 // type and length
	digestAt   = 8 // in the section
	md5Size    = digestAt + md5.Size
	sha1Size   = digestAt + sha1.Size
	minPass    = 4  // a password of one byte
	maxPass    = 19 // of 16
	maxMD5Key  = md5.Size
	maxSHA1Key = sha1.Size
)

// size is that of the whole section; 0 for types that are never used.
func (t AuthType) size() int {
	switch t {
	case AuthMD5, AuthMeticulousMD5:
		return md5Size
	case AuthSHA1, AuthMeticulousSHA1:
		return sha1Size
	default:
		return 0
	}
}

// Key is a shared secret. The zero value is none: no authentication.
type Key struct {
	Type   AuthType
	ID     uint8
	Secret Secret // 1 to 16 bytes for MD5, 1 to 20 for SHA1
}

// Secret is any bytes, which need not be text.
type Secret string

// MarshalText writes the bytes as hexadecimal digits.
func (s Secret) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, []byte(s)), nil }

// UnmarshalText reads what [Secret.MarshalText] writes.
func (s *Secret) UnmarshalText(text []byte) error {
	b, err := hex.AppendDecode(nil, text)
	if err != nil {
		return fmt.Errorf("secret of a BFD key: %w", err)
	}
	*s = Secret(b)
	return nil
}

// Check tells what is wrong with the key.
func (k Key) Check() error {
	limit := map[AuthType]int{
		AuthMD5: maxMD5Key, AuthMeticulousMD5: maxMD5Key, AuthSHA1: maxSHA1Key, AuthMeticulousSHA1: maxSHA1Key,
	}[k.Type]
	switch {
	case k == Key{}:
		return nil
	case k.Type == AuthPassword:
		return fmt.Errorf("authentication %v sends the secret in the clear: use meticulous-sha1", k.Type)
	case limit == 0:
		return fmt.Errorf("authentication %v is unknown: use md5, meticulous-md5, sha1 or meticulous-sha1", k.Type)
	case len(k.Secret) == 0 || len(k.Secret) > limit:
		return fmt.Errorf("a key for authentication %v has 1 to %d bytes, not %d (RFC 5880, 4.3 and 4.4)", k.Type, limit, len(k.Secret))
	}
	return nil
}

// parseAuth reads a section of at least two bytes.
func parseAuth(b []byte) (Auth, Discard) {
	a, length := Auth{Type: AuthType(b[0])}, int(b[1])
	want := a.Type.size()
	switch {
	case a.Type == AuthNone:
		return a, WrongAuthType // reserved: a section that claims to be none
	case length > len(b) || length < authHead, want != 0 && length != want,
		a.Type == AuthPassword && (length < minPass || length > maxPass):
		return a, BadAuthLength
	case length > authHead:
		a.KeyID = b[2]
	}
	if want != 0 {
		a.Seq = binary.BigEndian.Uint32(b[4:])
	}
	return a, Kept
}

// seal appends the section to the packet that starts in b at start.
func (k Key) seal(b []byte, start int, seq uint32) []byte {
	size := k.Type.size()
	if size == 0 {
		return b
	}
	b = append(b, byte(k.Type), byte(size), k.ID, 0)
	b = binary.BigEndian.AppendUint32(b, seq)
	var field [sha1.Size]byte
	copy(field[:], k.Secret)
	b = append(b, field[:size-digestAt]...) // the key stands where the digest will
	k.digest(b[start:], b[len(b)-(size-digestAt):])
	return b
}

// digest writes that of b into out.
func (k Key) digest(b, out []byte) {
	if k.Type.size() == md5Size {
		sum := md5.Sum(b)
		copy(out, sum[:])
		return
	}
	sum := sha1.Sum(b)
	copy(out, sum[:])
}

// Verify tells whether the datagram b, which [Parse] kept with a section of the
// key's type, was made with the key (RFC 5880, 6.7.3 and 6.7.4).
func Verify(b []byte, key Key) bool {
	size, length := key.Type.size(), 0
	if len(b) >= headSize {
		length = int(b[3])
	}
	if size == 0 || length < headSize+size || length > len(b) {
		return false
	}
	var whole [maxSize]byte
	n := copy(whole[:], b[:length])
	field := whole[headSize+digestAt : headSize+size]
	clear(field)
	copy(field, key.Secret)
	var sum [sha1.Size]byte
	key.digest(whole[:n], sum[:])
	return subtle.ConstantTimeCompare(sum[:len(field)], b[headSize+digestAt:headSize+size]) == 1
}
