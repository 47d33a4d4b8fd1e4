package config

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
)

// An edit copies the shards it touches and shares all others, so that its cost
// does not grow with the table.
func TestAnEditCopiesOnlyWhatItTouches(t *testing.T) {
	m := map[Key]int{}
	for i := range 5000 {
		m[Key{"default", fmt.Sprint(i)}] = i
	}
	old := TableOf(m)
	e := old.Edit()
	e.Set(Key{"default", "17"}, -1)
	e.Set(Key{"default", "17"}, -2)
	e.Delete(Key{"default", "absent"})
	now := e.Done()
	if n := copied(old, now); n != 1 {
		t.Errorf("one key changed, %d shards were copied", n)
	}
	if v, _ := old.Get(Key{"default", "17"}); v != 17 {
		t.Errorf("the old table changed: %d", v)
	}
	if n := copied(old, old.Edit().Done()); n != 0 {
		t.Errorf("nothing changed, %d shards were copied", n)
	}
}

func copied(a, b Table[Key, int]) (n int) {
	for i := range a.shards {
		if reflect.ValueOf(a.shards[i]).Pointer() != reflect.ValueOf(b.shards[i]).Pointer() {
			n++
		}
	}
	return n
}

// Two edits of one table know nothing of each other.
func TestEditsSideBySide(t *testing.T) {
	base := TableOf(map[string]int{"a": 1, "b": 2})
	x, y := base.Edit(), base.Edit()
	x.Set("a", 10)
	y.Delete("a")
	y.Set("c", 3)
	tx, ty := x.Done(), y.Done()
	for _, c := range []struct {
		what string
		got  Table[string, int]
		want map[string]int
	}{
		{"base", base, map[string]int{"a": 1, "b": 2}},
		{"x", tx, map[string]int{"a": 10, "b": 2}},
		{"y", ty, map[string]int{"b": 2, "c": 3}},
	} {
		if got := content(c.got); !reflect.DeepEqual(got, c.want) || c.got.Len() != len(c.want) {
			t.Errorf("%s: %v, size %d", c.what, got, c.got.Len())
		}
	}
}

// Picks is a conjunction of three questions, each of which "nothing said"
// answers with yes; the twin asks them the long way.
func TestPoolChoiceAgainstItsDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	labels := func() map[string]string {
		m := map[string]string{}
		for _, k := range []string{"a", "b"} {
			if v := r.IntN(3); v > 0 {
				m[k] = fmt.Sprint(v)
			}
		}
		return m
	}
	selectors := func() (out []Selector) {
		for range r.IntN(3) {
			op := []Operator{In, NotIn, Exists, DoesNotExist}[r.IntN(4)]
			out = append(out, Selector{[]Requirement{{[]string{"a", "b"}[r.IntN(2)], op, []string{"1"}}}})
		}
		return out
	}
	anyOf := func(list []Selector, l map[string]string) bool {
		for _, s := range list {
			q := s.Requirements[0]
			v, has := l[q.Key]
			if map[Operator]bool{In: v == "1", NotIn: v != "1", Exists: has, DoesNotExist: !has}[q.Op] {
				return true
			}
		}
		return false
	}
	picked := 0
	for range 3000 {
		c := PoolChoice{PoolSelectors: selectors(), NodeSelectors: selectors(), ServiceSelectors: selectors()}
		if r.IntN(2) == 0 {
			c.Pools = []string{"p1", "p2"}[:1+r.IntN(2)]
		}
		pool := &Pool{Name: fmt.Sprint("p", 1+r.IntN(3)), Labels: labels()}
		svc, node := &Service{Labels: labels()}, &Node{Labels: labels()}
		named := len(c.Pools) > 0 && (pool.Name == "p1" || pool.Name == "p2" && len(c.Pools) == 2)
		want := (named || anyOf(c.PoolSelectors, pool.Labels) || len(c.Pools)+len(c.PoolSelectors) == 0) &&
			(len(c.NodeSelectors) == 0 || anyOf(c.NodeSelectors, node.Labels)) &&
			(len(c.ServiceSelectors) == 0 || anyOf(c.ServiceSelectors, svc.Labels))
		if got := c.Picks(pool, svc, node); got != want {
			t.Fatalf("%+v, pool %+v, Service %v, Node %v: %v", c, pool, svc.Labels, node.Labels, got)
		}
		if want {
			picked++
		}
	}
	if picked < 300 || picked > 2700 {
		t.Errorf("%d of 3000 picked: the worlds are too much alike", picked)
	}
}
