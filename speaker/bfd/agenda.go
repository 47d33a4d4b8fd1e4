package bfd

import (
	"container/heap"
	"time"
)

// agenda has the sessions in the order in which they want to be looked at. A
// session may stand earlier in it than it has to, never later.
type agenda []*running

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].due.Before(a[j].due) }
func (a agenda) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].index, a[j].index = i, j
}

func (a *agenda) Push(x any) {
	r, _ := x.(*running)
	r.index = len(*a)
	*a = append(*a, r)
}

func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

func (a *agenda) add(r *running, due time.Time) {
	r.due = due
	heap.Push(a, r)
}

func (a *agenda) remove(r *running) { heap.Remove(a, r.index) }

// move gives a session another time.
func (a *agenda) move(r *running, due time.Time) {
	r.due = due
	heap.Fix(a, r.index)
}

// sooner moves a session if it has to be looked at earlier.
func (a *agenda) sooner(r *running, due time.Time) {
	if due.Before(r.due) {
		a.move(r, due)
	}
}
