package packet

import (
	"crypto/md5"
	"crypto/sha1"
	"slices"
	"strings"
	"testing"
)

var keys = []Key{
	{Type: AuthMD5, ID: 1, Secret: "secret"},
	{Type: AuthMeticulousMD5, ID: 255, Secret: Secret(strings.Repeat("k", 16))},
	{Type: AuthSHA1, ID: 0, Secret: "s"},
	{Type: AuthMeticulousSHA1, ID: 7, Secret: Secret(strings.Repeat("k", 20))},
}

func TestAuthenticatedPackets(t *testing.T) {
	for _, k := range keys {
		p := usual
		p.Auth.Seq = 0xfffffffe
		b := p.Append([]byte("before"), k)[len("before"):]
		if cap, want := len(b), map[bool]int{true: 48, false: 52}[k.Type < AuthSHA1]; cap != want {
			t.Errorf("%v: %d bytes, want %d", k.Type, cap, want)
		}
		got, why := Parse(b)
		p.Auth = Auth{Type: k.Type, KeyID: k.ID, Seq: p.Auth.Seq}
		if why != Kept || got != p {
			t.Errorf("%v: read %+v, %v", k.Type, got, why)
		}
		if !Verify(b, k) {
			t.Errorf("%v: not verified", k.Type)
		}
		if !Verify(append(slices.Clone(b), 1, 2, 3), k) {
			t.Errorf("%v: bytes behind the packet belong to the proof", k.Type)
		}
	}
}

// TestDigest: as RFC 5880, 6.7.3, has it, made here the slow way.
func TestDigest(t *testing.T) {
	b := usual.Append(nil, Key{Type: AuthMD5, ID: 1, Secret: "secret"})
	plain := slices.Concat(b[:32], []byte("secret"), make([]byte, 10))
	if sum := md5.Sum(plain); string(sum[:]) != string(b[32:]) {
		t.Errorf("MD5: %x, want %x", b[32:], sum)
	}
	b = usual.Append(nil, Key{Type: AuthSHA1, ID: 1, Secret: "secret"})
	plain = slices.Concat(b[:32], []byte("secret"), make([]byte, 14))
	if sum := sha1.Sum(plain); string(sum[:]) != string(b[32:]) {
		t.Errorf("SHA1: %x, want %x", b[32:], sum)
	}
}

func TestNoChangedBitIsVerified(t *testing.T) {
	for _, k := range keys {
		b := usual.Append(nil, k)
		for bit := range 8 * len(b) {
			forged := slices.Clone(b)
			forged[bit/8] ^= 1 << (bit % 8)
			if _, why := Parse(forged); why == Kept && Verify(forged, k) {
				t.Errorf("%v: verified with bit %d changed", k.Type, bit)
			}
		}
		other := k
		other.Secret = "x"
		if Verify(b, other) {
			t.Errorf("%v: verified with another key", k.Type)
		}
		if Verify(b[:40], k) || Verify(nil, k) || Verify(b, Key{}) {
			t.Errorf("%v: verified without all bytes, or without a key", k.Type)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, k := range append([]Key{{}}, keys...) {
		if err := k.Check(); err != nil {
			t.Errorf("%v: %v", k.Type, err)
		}
	}
	for want, k := range map[string]Key{
		"in the clear": {Type: AuthPassword, Secret: "a"},
		"unknown":      {Type: 9, Secret: "a"},
		"1 to 16":      {Type: AuthMD5, Secret: Secret(strings.Repeat("k", 17))},
		"1 to 20":      {Type: AuthMeticulousSHA1, Secret: Secret(strings.Repeat("k", 21))},
		"not 0":        {Type: AuthSHA1, ID: 3},
		"none":         {ID: 3},
	} {
		if err := k.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q in it", k, err, want)
		}
	}
}
