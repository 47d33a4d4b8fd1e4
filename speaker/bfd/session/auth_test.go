package session

import (
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
)

func authRig(t *testing.T, kind packet.AuthType) (*rig, packet.Key) {
	t.Helper()
	set := usual
	set.Key = packet.Key{Type: kind, ID: 5, Secret: "secret"}
	return newRig(t, set), set.Key
}

// hear gives the session a packet as it comes from the wire.
func (r *rig) hear(p packet.Packet, key packet.Key, seq uint32) packet.Discard {
	r.t.Helper()
	p.Auth.Seq = seq
	b := p.Append(nil, key)
	p, why := packet.Parse(b)
	if why != packet.Kept {
		r.t.Fatal(why)
	}
	out, why := r.s.Receive(p, b, r.now, middle)
	r.take(out)
	return why
}

func TestSequenceNumbers(t *testing.T) {
	for _, kind := range []packet.AuthType{packet.AuthMD5, packet.AuthMeticulousMD5, packet.AuthSHA1, packet.AuthMeticulousSHA1} {
		again := packet.Kept
		if kind.Meticulous() {
			again = packet.BadSequence
		}
		const first = 0xfffffffa // the numbers go around
		for _, c := range []struct {
			ahead uint32
			want  packet.Discard
		}{{0, again}, {1, packet.Kept}, {12, packet.Kept}, {13, packet.BadSequence}, {0xffffffff, packet.BadSequence}, {1 << 31, packet.BadSequence}} {
			r, key := authRig(t, kind)
			if why := r.hear(from(packet.Down), key, first); why != packet.Kept {
				t.Fatalf("%v: the first packet: %v", kind, why)
			}
			if why := r.hear(from(packet.Down), key, first+c.ahead); why != c.want {
				t.Errorf("%v, %d ahead: %v, want %v", kind, c.ahead, why, c.want)
			}
		}
	}
}

// TestAPeerThatBeginsAnew: its numbers start anywhere, and are taken when it
// was silent for twice the detection time.
func TestAPeerThatBeginsAnew(t *testing.T) {
	r, key := authRig(t, packet.AuthMeticulousSHA1)
	r.hear(from(packet.Init), key, 1000)
	r.hear(up(), key, 1001) // detection time 800 ms
	r.is(packet.Up)
	r.wait(2*800*ms - ms)
	if why := r.hear(from(packet.Down), key, 5); why != packet.BadSequence {
		t.Errorf("too soon: %v", why)
	}
	r.wait(ms)
	if why := r.hear(from(packet.Down), key, 5); why != packet.Kept {
		t.Errorf("after twice the detection time: %v", why)
	}
}

func TestOurNumbersGrow(t *testing.T) {
	r, key := authRig(t, packet.AuthMeticulousMD5)
	if a := r.last.Auth; a.Type != key.Type || a.KeyID != 5 || a.Seq != 0xfffffff1 {
		t.Errorf("first: %+v", a)
	}
	for range 30 {
		before := r.last.Auth.Seq
		r.wait(time.Second)
		if n := r.last.Auth.Seq - before; n == 0 || n > 2 {
			t.Fatalf("grew by %d", n)
		}
	}
}

func TestForgeries(t *testing.T) {
	kind := packet.AuthSHA1
	r, key := authRig(t, kind)
	r.hear(from(packet.Down), key, 10)
	other, id, typ := key, key, key
	other.Secret, id.ID, typ.Type = "other", 6, packet.AuthMD5
	for _, c := range []struct {
		key  packet.Key
		want packet.Discard
	}{{packet.Key{}, packet.MissingAuth}, {other, packet.BadDigest}, {id, packet.WrongKeyID}, {typ, packet.WrongAuthType}} {
		before := *r.s
		if why := r.hear(from(packet.Init), c.key, 11); why != c.want {
			t.Errorf("%+v: %v, want %v", c.key, why, c.want)
		}
		if *r.s != before {
			t.Errorf("%v: the session is changed", c.want)
		}
	}
	plain := newRig(t, usual)
	if why := plain.hear(from(packet.Init), key, 1); why != packet.UnexpectedAuth {
		t.Errorf("without a key of our own: %v", why)
	}
	// A forger's number is not believed before his proof.
	fresh, key := authRig(t, kind)
	fresh.hear(from(packet.Down), other, 1<<31)
	if why := fresh.hear(from(packet.Down), key, 10); why != packet.Kept {
		t.Errorf("after a forgery: %v", why)
	}
}

func TestANewKey(t *testing.T) {
	r, key := authRig(t, packet.AuthSHA1)
	r.hear(from(packet.Down), key, 1<<30)
	set := r.s.set
	set.Key.ID, set.Key.Secret = 6, "new"
	r.take(r.s.Apply(set, r.now, middle))
	if why := r.hear(from(packet.Down), key, 1<<30+1); why != packet.WrongKeyID {
		t.Errorf("the old key: %v", why)
	}
	if why := r.hear(from(packet.Down), set.Key, 3); why != packet.Kept {
		t.Errorf("the new key: %v", why)
	}
}
