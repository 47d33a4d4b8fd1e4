package announce

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// obey makes the moves that are asked for.
func (w *world) obey(moves []Move) {
	for _, m := range moves {
		w.record(m.Addr, m.To)
	}
}

// Whatever the records are, after the moves nobody has more than the bound, and
// nothing is left to move. No more move than are too many or away from home.
func TestRebalance(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 4))
		nodes, addrs := 1+r.IntN(6), 1+r.IntN(80)
		w := crowd(nodes, addrs)
		for _, svc := range w.services {
			w.record(svc.Addrs[0], fmt.Sprintf("n%d", 1+r.IntN(1+r.IntN(nodes))))
		}
		moves := Rebalance(w.input(""))
		for _, m := range moves {
			if m.From == m.To || w.claims[m.Addr].Owner != m.From || len(m.Services) != 1 {
				t.Fatalf("seed %d: %+v", seed, m)
			}
		}
		w.obey(moves)
		count := map[string]int{}
		for _, rec := range w.claims {
			if count[rec.Owner]++; count[rec.Owner] > most(addrs, nodes) {
				t.Errorf("seed %d: %d nodes, %d addresses: %s has more than %d", seed, nodes, addrs, rec.Owner, most(addrs, nodes))
			}
		}
		if again := Rebalance(w.input("")); len(again) > 0 {
			t.Errorf("seed %d: asked again, %d of %d move", seed, len(again), addrs)
		}
	}
}

// A balanced cluster is left alone, and so is what nobody could take.
func TestRebalanceMovesNothingInVain(t *testing.T) {
	w := crowd(5, 200)
	w.settle(t)
	if moves := Rebalance(w.input("")); len(moves) > 10 {
		t.Errorf("%d of 200 move after the first assignment", len(moves))
	}
	w = crowd(3, 3)
	for _, svc := range w.services {
		w.record(svc.Addrs[0], "n1")
	}
	only(w, "n1")
	if moves := Rebalance(w.input("")); len(moves) > 0 {
		t.Errorf("to nodes that may not: %+v", moves)
	}
	w = crowd(2, 2)
	for _, svc := range w.services {
		w.record(svc.Addrs[0], "n1")
	}
	w.member("n1").Alive = false
	if moves := Rebalance(w.input("")); len(moves) > 0 {
		t.Errorf("from a node that is dead, which needs no asking: %+v", moves)
	}
	w.member("n1").Alive = true
	if moves := Rebalance(w.input("")); len(moves) != 1 || moves[0].From != "n1" || moves[0].To != "n2" {
		t.Errorf("two addresses on one of two nodes: %+v", moves)
	}
}

// The Services of one address move together and are all named.
func TestRebalanceMovesSharersTogether(t *testing.T) {
	w := newWorld(2)
	prefer(w, 1, "n2")
	dns := config.Key{Namespace: "default", Name: "dns"}
	w.serve(web, []string{"n1", "n2"}, addr4).Local = true
	w.serve(dns, []string{"n1", "n2"}, addr4).Local = true
	w.record(addr4, "n1")
	moves := Rebalance(w.input(""))
	if len(moves) != 1 || !slices.Equal(moves[0].Services, []config.Key{dns, web}) {
		t.Errorf("moves %+v", moves)
	}
	w.serve(dns, []string{"n1"}, addr4).Local = true
	if moves := Rebalance(w.input("")); len(moves) > 0 {
		t.Errorf("to a node without an endpoint of both: %+v", moves)
	}
}
