package ipam

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

func TestBookAgainstMap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	var b book
	twin := map[config.Key]*Entry{}
	for round := range 200 {
		before, size := b, len(twin)
		e := b.edit([]int{0, 50, 5000}[rnd.IntN(3)])
		for range rnd.IntN(400) {
			entry := entryNamed(fmt.Sprintf("s%04d", rnd.IntN(3000)))
			if key := entry.Service.Key; rnd.IntN(5) < 2 {
				e.remove(key)
				delete(twin, key)
			} else {
				e.set(entry)
				twin[key] = entry
			}
		}
		b = e.book
		if n := count(before); before.size != size || n != size {
			t.Fatalf("round %d: the book before changed: %d entries of %d", round, n, size)
		}
		if n := count(b); b.size != len(twin) || n != len(twin) {
			t.Fatalf("round %d: size %d, %d entries, want %d", round, b.size, n, len(twin))
		}
		for i := range 3000 {
			key := config.Key{Namespace: "t", Name: fmt.Sprintf("s%04d", i)}
			if got := b.get(key); got != twin[key] {
				t.Fatalf("round %d: %v is %v, want %v", round, key, got, twin[key])
			}
		}
	}
}

func count(b book) (n int) {
	for range b.all() {
		n++
	}
	return n
}
