package announce

import (
	"fmt"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// large is the input of a node of 20 with 10,000 Services, of which every
// other one has had an owner; with all it is every one.
func large(all bool) Input {
	w := newWorld(20)
	addr := addr4
	for i := range 10000 {
		w.serve(config.Key{Name: fmt.Sprint(i)}, []string{"n1", "n2", "n3", "n4"}, addr)
		if all || i%2 == 0 {
			w.record(addr, "n1")
		}
		addr = addr.Next()
	}
	w.snap.Pools[0].Ranges[0].To = addr
	w.snap.Peers, w.snap.BGP = []*config.Peer{peer4}, []*config.BGPAdvertisement{{Name: "x"}}
	return w.input("n1")
}

func BenchmarkDecide10k(b *testing.B) {
	in := large(false)
	b.ReportAllocs()
	for b.Loop() {
		if p := Decide(in); len(p.claims()) < 5000 {
			b.Fatalf("%d claims", len(p.claims()))
		}
	}
}

// BenchmarkUpdateOneOf10k is a decision after one of 10,000 Services has lost
// its endpoints, or got them back.
func BenchmarkUpdateOneOf10k(b *testing.B) {
	in := large(true)
	key := config.Key{Name: "5000"}
	full, _ := in.Snap.Endpoints.Get(key)
	d := Update(Decision{}, in)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		snap, edit := *in.Snap, in.Snap.Endpoints.Edit()
		if edit.Set(key, full); i%2 == 0 {
			edit.Set(key, &config.Endpoints{Service: key})
		}
		snap.Endpoints, in.Snap = edit.Done(), &snap
		d = Update(d, in)
		if want := 10000 - (i+1)%2; len(d.Held) != want {
			b.Fatalf("%d claims, want %d", len(d.Held), want)
		}
	}
}

// BenchmarkUpdateNothing10k is a decision after something that nobody looks at.
func BenchmarkUpdateNothing10k(b *testing.B) {
	in := large(true)
	d := Update(Decision{}, in)
	b.ReportAllocs()
	for b.Loop() {
		d = Update(d, in)
	}
}
