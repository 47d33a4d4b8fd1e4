package pulse

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/speaker/keys"
)

func TestPacketTravels(t *testing.T) {
	key := deriveKey([]byte("secret"))
	for _, p := range []packet{
		{Kind: beat, From: 1, Mine: 2, Yours: 3, Seq: 4, Echo: 5},
		{Kind: bye, From: 1 << 63, Mine: 1<<64 - 1, Seq: 1, Down: []id{1, 2, 3}},
	} {
		b := p.seal(nil, key)
		if got, ok := open(b, [][]byte{key}); !ok || !reflect.DeepEqual(got, p) {
			t.Errorf("came back as %+v, %v", got, ok)
		}
		for i := range b {
			bad := append([]byte{}, b...)
			bad[i] ^= 0x10
			if got, ok := open(bad, [][]byte{key}); ok {
				t.Errorf("with byte %d changed it reads as %+v", i, got)
			}
		}
		if _, ok := open(b, deriveKeys(keys.Ring{"other"})); ok {
			t.Error("another key opens it")
		}
		if _, ok := open(append(b, 0), [][]byte{key}); ok {
			t.Error("with a byte more it is taken")
		}
	}
	many := packet{Kind: beat, Down: make([]id, 100)}
	if got, ok := open(many.seal(nil, key), [][]byte{key}); !ok || len(got.Down) != maxDown {
		t.Errorf("too many deaths: %d arrive, %v", len(got.Down), ok)
	}
}

// While keys are exchanged, a packet of any key in the list is read; each is
// made with the first.
func TestPacketOfAnyKey(t *testing.T) {
	want := packet{Kind: beat, From: 1, Mine: 2, Seq: 3}
	for _, tt := range []struct {
		from, to keys.Ring
		ok       bool
	}{
		{keys.Ring{"old"}, keys.Ring{"old", "new"}, true},
		{keys.Ring{"new", "old"}, keys.Ring{"old", "new"}, true},
		{keys.Ring{"new"}, keys.Ring{"new", "old"}, true},
		{keys.Ring{"new", "old"}, keys.Ring{"old"}, false},
		{keys.Ring{"new"}, keys.Ring{"old", "older"}, false},
	} {
		got, ok := open(want.seal(nil, deriveKeys(tt.from)[0]), deriveKeys(tt.to))
		if ok != tt.ok || ok && !reflect.DeepEqual(got, want) {
			t.Errorf("from %q to %q: %+v, %v", tt.from, tt.to, got, ok)
		}
	}
}

func FuzzOpen(f *testing.F) {
	key := deriveKey([]byte("secret"))
	whole := packet{Kind: poll, From: 7, Mine: 8, Yours: 9, Seq: 10, Echo: 11, Down: []id{12}}
	f.Add(whole.seal(nil, key))
	f.Add([]byte{})
	f.Add(make([]byte, headSize+macSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := open(b, [][]byte{key})
		if ok && !reflect.DeepEqual(p.seal(nil, key), b) && b[3] == 0 {
			t.Errorf("%x reads as %+v, which is written otherwise", b, p)
		}
	})
}

// Whatever arrives, in whatever order and at whatever time: no crash, nobody
// is Down who was not Up, and a node that is heard is not Down.
func FuzzMesh(f *testing.F) {
	f.Add(uint64(1), []byte{1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add(uint64(2), []byte{0x40, 0x81, 0xc2, 0x43, 0x84, 0xc5, 0x46, 0x87})
	f.Fuzz(func(t *testing.T, seed uint64, acts []byte) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		names := []string{"n0", "n1", "n2", "n3"}
		now := time.Unix(1000, 0)
		m := newMesh(DefaultTuning, "n0", 77)
		var peers []Peer
		for _, n := range names[1:] {
			peers = append(peers, Peer{Node: n})
		}
		m.apply(peers, now)
		everUp := map[string]bool{}
		for _, a := range acts {
			now = now.Add(time.Duration(a>>4) * 7 * time.Millisecond)
			from := names[1+int(a)%3]
			switch a >> 2 & 3 {
			case 0:
				m.step(now, time.Duration(a&3)*20*time.Millisecond)
			case 1, 2:
				p := packet{Kind: kind(1 + rnd.IntN(5)), From: idOf(from), Mine: uint64(rnd.IntN(3)), Yours: 77 * uint64(rnd.IntN(2)),
					Seq: uint64(rnd.IntN(30)), Echo: uint64(rnd.IntN(30))}
				for range rnd.IntN(3) {
					p.Down = append(p.Down, idOf(names[rnd.IntN(4)]))
				}
				m.receive(p, now)
				if s := m.peers[p.From]; s != nil && s.heard.Equal(now) && s.state == Down {
					t.Fatal("heard and Down")
				}
			case 3:
				m.apply(peers[rnd.IntN(2):], now)
			}
			for n, s := range m.peers {
				everUp[s.peer.Node] = everUp[s.peer.Node] || s.state == Up
				if s.state == Down && !everUp[s.peer.Node] {
					t.Fatalf("%v is Down and was never Up", n)
				}
			}
			m.view()
			if due := m.due(now); due.After(now.Add(time.Second)) {
				t.Fatalf("next step in %v", due.Sub(now))
			}
			m.take()
		}
	})
}
