package announce

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// crowd is a world of nodes with that many addresses, whose endpoints are on
// every node.
func crowd(nodes, addrs int) *world {
	w := newWorld(nodes)
	var on []string
	for _, m := range w.members {
		on = append(on, m.Node)
	}
	addr := addr4
	for i := range addrs {
		w.serve(config.Key{Name: fmt.Sprint(i)}, on[:min(len(on), 5)], addr)
		addr = addr.Next()
	}
	return w
}

// claimants are the nodes that claim each address, yielding owners left out.
func (w *world) claimants() map[netip.Addr][]string {
	out := map[netip.Addr][]string{}
	for _, m := range w.members {
		if !m.Alive {
			continue
		}
		for _, c := range w.decide(m.Node).claims() {
			if !c.Yielding {
				out[c.Addr] = append(out[c.Addr], m.Node)
			}
		}
	}
	return out
}

// settle records what the nodes claim and returns how many each has.
func (w *world) settle(t *testing.T) map[string]int {
	t.Helper()
	count := map[string]int{}
	for addr, nodes := range w.claimants() {
		if len(nodes) != 1 {
			t.Fatalf("%v is claimed by %q", addr, nodes)
		}
		count[nodes[0]]++
		if rec := w.claims[addr]; rec == nil || rec.Owner != nodes[0] {
			w.record(addr, nodes[0])
		}
	}
	return count
}

// most is the bound of a node's load: 1.25 times the mean, or the next whole
// number if that is less than one more.
func most(addrs, nodes int) int { return max((addrs+nodes-1)/nodes, addrs*5/(4*nodes)) }

// At first assignment no node gets more than its share; each address has one
// owner; and nothing moves when the records are seen.
func TestSpread(t *testing.T) {
	for _, nodes := range []int{3, 5, 50} {
		for _, addrs := range []int{1, 2, nodes, nodes + 1, 1000} {
			w := crowd(nodes, addrs)
			count := w.settle(t)
			total := 0
			for node, n := range count {
				if total += n; n > most(addrs, nodes) {
					t.Errorf("%d nodes, %d addresses: %s has %d", nodes, addrs, node, n)
				}
			}
			if total != addrs {
				t.Errorf("%d nodes, %d addresses: %d are owned", nodes, addrs, total)
			}
			if nodes < 50 {
				before := w.records()
				w.settle(t)
				if moved := differing(before, w.records()); len(moved) > 0 {
					t.Errorf("%d nodes, %d addresses: %v moved for nothing", nodes, addrs, moved)
				}
			}
		}
	}
}

func (w *world) records() map[netip.Addr]string {
	out := map[netip.Addr]string{}
	for addr, rec := range w.claims {
		out[addr] = rec.Owner
	}
	return out
}

func differing(a, b map[netip.Addr]string) (addrs []netip.Addr) {
	for addr, owner := range a {
		if b[addr] != owner {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// One node is lost: its addresses move, and no other; they are spread over all
// that are left; and when it comes back it takes nothing.
func TestOneNodeLost(t *testing.T) {
	for _, nodes := range []int{3, 5, 50} {
		w := crowd(nodes, 1000)
		w.settle(t)
		before := w.records()
		w.member("n2").Alive = false
		w.settle(t)
		heirs := map[string]int{}
		for _, addr := range differing(before, w.records()) {
			if before[addr] != "n2" {
				t.Errorf("%d nodes: %v moved from %s, which lives", nodes, addr, before[addr])
			}
			heirs[w.claims[addr].Owner]++
		}
		for addr, owner := range w.records() {
			if owner == "n2" {
				t.Errorf("%d nodes: %v is still n2's", nodes, addr)
			}
		}
		if len(heirs) < min(nodes-1, 8) {
			t.Errorf("%d nodes: only %v take over", nodes, heirs)
		}
		after := w.records()
		w.member("n2").Alive = true
		w.settle(t)
		if moved := differing(after, w.records()); len(moved) > 0 {
			t.Errorf("%d nodes: %d addresses moved to a node that came back", nodes, len(moved))
		}
	}
}

// Nodes whose views differ by one member disagree only on what that member
// would own.
func TestViewsThatDifferByOne(t *testing.T) {
	w := crowd(5, 1000)
	w.settle(t)
	w.member("n5").Alive = false
	with := w.claimants()
	w.member("n4").Alive = false // as others see it
	without := w.claimants()
	differ := 0
	for addr, owner := range with {
		if other := without[addr]; !slices.Equal(owner, other) {
			if differ++; owner[0] != "n4" {
				t.Errorf("%v: %s with n4, %s without", addr, owner, other)
			}
		}
	}
	if differ == 0 {
		t.Error("the views do not differ at all")
	}
}

// Addresses that all have one preferred node go to the others only by its death.
func TestPreferenceBeatsTheBound(t *testing.T) {
	w := crowd(3, 100)
	prefer(w, 1, "n3")
	if count := w.settle(t); count["n3"] != 100 {
		t.Errorf("count %v", count)
	}
}

// With rebalance: OnReturn a node that comes back gets what it would have had,
// step by step as the records are written, and never more than its share.
func TestOnReturn(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 3))
		nodes, addrs := 2+r.IntN(4), 1+r.IntN(60)
		w := crowd(nodes, addrs)
		w.snap.L2[0].OnReturn = true
		w.rest(t)
		home := w.records()
		w.member("n1").Alive = false
		w.rest(t)
		w.member("n1").Alive = true
		away := w.records()
		for _, addr := range differing(away, w.rest(t)) {
			if to := w.claims[addr].Owner; to != w.home(addr) {
				t.Errorf("seed %d: %v went from %s to %s, which is not its home", seed, addr, away[addr], to)
			}
		}
		had, has := 0, 0
		for addr := range home {
			if home[addr] == "n1" {
				had++
			}
			if w.claims[addr].Owner == "n1" {
				has++
			}
		}
		if has > most(addrs, nodes) || addrs >= 2*nodes && has == 0 || addrs == 1 && has != had {
			t.Errorf("seed %d: %d nodes, %d addresses: n1 had %d, has %d", seed, nodes, addrs, had, has)
		}
	}
}

// home is the node that the hash alone gives addr.
func (w *world) home(addr netip.Addr) string {
	v := newView(w.input(""))
	all := make([]int, len(v.nodes))
	for i := range all {
		all[i] = i
	}
	return v.nodes[v.first(addr, all, nil, 0)].name
}

// rest lets one address after the other be written until nothing moves.
func (w *world) rest(t *testing.T) map[netip.Addr]string {
	t.Helper()
	for range 10 * len(w.services) {
		moved := false
		for addr, nodes := range w.claimants() {
			if rec := w.claims[addr]; rec == nil || rec.Owner != nodes[0] {
				w.record(addr, nodes[0])
				moved = true
				break
			}
		}
		if !moved {
			return w.records()
		}
	}
	t.Fatal("the addresses move for ever")
	return nil
}
