package speaker

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// What is kept of the records is what a look at all of them finds.
func TestLedgerAgainstAllRecords(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 6))
	now := time.Now()
	claims, o, x := claimTable{}, owners{count: map[string]int{}}, exchanges{}
	gave := 0
	for step := range 2000 {
		before, edit := claims, claims.Edit()
		for range r.IntN(4) {
			addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(20))})
			if r.IntN(4) == 0 {
				edit.Delete(addr)
				continue
			}
			edit.Set(addr, &config.L2Claim{Addr: addr, Owner: fmt.Sprint("n", r.IntN(3)), Previous: fmt.Sprint("n", r.IntN(3)),
				Since: now.Add(time.Duration(r.IntN(130)-65) * time.Minute)})
		}
		claims = edit.Done()
		o.read(claims)
		news := x.read(claims, "n1", now)
		count := map[string]int{}
		for _, rec := range claims.All() {
			count[rec.Owner]++
		}
		if !maps.Equal(count, o.count) {
			t.Fatalf("step %d: owners %v, counted %v", step, count, o.count)
		}
		v := moved(now)
		v.claims = claims
		want, lapse := v.chances(now)
		v.claims = x.list
		if got, end := v.chances(now); !got.Equal(want) || !end.Equal(lapse) {
			t.Fatalf("step %d: chances %v until %v, want %v until %v", step, got, end, want, lapse)
		}
		if v.claims = before; !news {
			if old, _ := v.chances(now); !old.Equal(want) {
				t.Fatalf("step %d: no news, but %v became %v", step, old, want)
			}
		}
		gave += len(want.Hops)
	}
	if gave == 0 {
		t.Error("no chance at all")
	}
}
