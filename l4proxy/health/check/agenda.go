package check

import (
	"container/heap"
	"time"
)

// firstWithin is how long a new target waits at most for its first check.
const firstWithin = 2 * time.Second

// Assignment is a target that this node checks, and the state that it starts
// from.
type Assignment struct {
	Target
	ID
	Tally Tally
}

// Result is what one check came to.
type Result struct {
	ID   ID
	Why  string // it failed; "" if it passed
	Hung bool   // it failed because there was no answer in time
}

// Verdict is the state of a target when it changes, and after the first check.
type Verdict struct {
	ID   ID
	Down bool
	Why  string // the last check failed
}

// Agenda says what to check when. Of one target no check begins before the one
// before has ended, and the time between two is the target's interval, give or
// take a twentieth, so that targets of one age do not stay in step.
//
// So many checks run at once as there are slots, and of targets that gave no
// answer in time the last time half as many: however many hang, the others are
// not held up.
type Agenda struct {
	dice    uint64
	slots   int
	jobs    map[ID]*job
	queues  [2]queue // of those that answer, and of those that hang
	running [2]int
}

type job struct {
	Assignment
	due     time.Time
	lane    int  // index into queues
	place   int  // in its queue; -1 while it runs
	dropped bool // while it ran
	judged  bool // a verdict was given
}

// NewAgenda makes an empty agenda; seed should be another on each node.
func NewAgenda(seed uint64, slots int) *Agenda {
	return &Agenda{dice: seed, slots: slots, jobs: map[ID]*job{}}
}

// Apply makes list what is checked. Of a target that was checked before, the
// tally goes on.
func (a *Agenda) Apply(list []Assignment, now time.Time) {
	keep := make(map[ID]bool, len(list))
	for _, want := range list {
		keep[want.ID] = true
		if a.jobs[want.ID] != nil {
			continue
		}
		j := &job{Assignment: want, due: now.Add(a.part(min(want.Check.Interval, firstWithin)))}
		a.jobs[want.ID] = j
		heap.Push(&a.queues[0], j)
	}
	for id, j := range a.jobs {
		if keep[id] {
			continue
		}
		delete(a.jobs, id)
		if j.dropped = true; j.place >= 0 {
			heap.Remove(&a.queues[j.lane], j.place)
		}
	}
}

// Check is one that is to begin now, to be ended by [Agenda.End].
type Check struct {
	Target
	job *job
}

// Begin takes the checks that are to begin now, and says when the next one is
// due; zero if that depends on the end of another one.
func (a *Agenda) Begin(now time.Time) (begin []Check, next time.Time) {
	for lane := range a.queues {
		q := &a.queues[lane]
		for len(*q) > 0 && a.free(lane) {
			j := (*q)[0]
			if j.due.After(now) {
				if next.IsZero() || j.due.Before(next) {
					next = j.due
				}
				break
			}
			heap.Pop(q)
			a.running[lane]++
			j.due = now.Add(j.Check.Interval*19/20 + a.part(j.Check.Interval/10))
			begin = append(begin, Check{j.Target, j})
		}
	}
	return begin, next
}

// free tells whether one more check of that lane may begin.
func (a *Agenda) free(lane int) bool {
	return a.running[0]+a.running[1] < a.slots && (lane == 0 || a.running[1] < max(1, a.slots/2))
}

// End takes in what c came to; news is set if v is one.
func (a *Agenda) End(c Check, r Result) (v Verdict, news bool) {
	j := c.job
	a.running[j.lane]--
	if j.dropped {
		return Verdict{}, false
	}
	was := j.Tally.Down
	j.Tally = j.Tally.Note(r.Why == "", j.Check)
	j.lane = 0
	if r.Hung {
		j.lane = 1
	}
	heap.Push(&a.queues[j.lane], j)
	news = !j.judged || j.Tally.Down != was
	j.judged = true
	return Verdict{j.ID, j.Tally.Down, r.Why}, news
}

// part is a random part of d.
func (a *Agenda) part(d time.Duration) time.Duration {
	a.dice++
	return time.Duration(mix(a.dice) % uint64(max(d, 1)))
}

// queue is a heap of jobs by the time they are due.
type queue []*job

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	j := x.(*job)
	j.place = len(*q)
	*q = append(*q, j)
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := len(*q) - 1
	j := (*q)[last]
	(*q)[last], *q = nil, (*q)[:last]
	j.place = -1
	return j
}
