package storm

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// The bars of a storm.
const (
	// killBar is for the death of a leader while the API answers within quickAPI.
	killBar  = 3 * time.Second
	quickAPI = 500 * time.Millisecond
	// askBar is what "at once" means for a leader that is told to stop, with
	// three requests of the next leader on top.
	askBar = time.Second
)

// group is the hand-overs that one bar is about.
type group struct {
	name string
	bar  time.Duration // 0: none
	has  func(HandOver) bool
}

var groups = []group{
	{"killed, API under 500 ms", killBar, func(h HandOver) bool { return h.Fault.Deed == Kill && h.Fault.Faults.Most <= quickAPI }},
	{"killed, API up to 1 s", 0, func(h HandOver) bool { return h.Fault.Deed == Kill && h.Fault.Faults.Most > quickAPI }},
	{"frozen, API under 500 ms", killBar, func(h HandOver) bool { return h.Fault.Deed == Freeze && h.Fault.Faults.Most <= quickAPI }},
	{"frozen, API up to 1 s", 0, func(h HandOver) bool { return h.Fault.Deed == Freeze && h.Fault.Faults.Most > quickAPI }},
	{"told to stop, API not delayed", askBar, func(h HandOver) bool { return h.Fault.Deed == Ask && h.Fault.Faults.Most == 0 }},
	{"told to stop, API delayed", 0, func(h HandOver) bool { return h.Fault.Deed == Ask && h.Fault.Faults.Most > 0 }},
}

// times are how long the hand-overs of a group took, shortest first.
func (r *Result) times(g group) []time.Duration {
	var out []time.Duration
	for _, h := range r.HandOvers {
		if g.has(h) {
			out = append(out, h.Took)
		}
	}
	slices.Sort(out)
	return out
}

// stale counts writes of former leaders after the next one had begun.
func (r *Result) stale() (n int) {
	for _, h := range r.HandOvers {
		n += h.Stale
	}
	return n
}

// Failures lists every bar that was missed. Hand-overs may take room longer than
// their bars, on machines that have other work to do.
func (r *Result) Failures(room time.Duration) []string {
	var out []string
	for _, d := range r.Duplicates {
		out = append(out, "duplicate: "+d)
	}
	for _, l := range r.Lost {
		out = append(out, "lost or changed without a cause: "+l)
	}
	for _, u := range r.Unserved {
		out = append(out, "not served at the end: "+u)
	}
	if n := r.stale(); n > 0 {
		out = append(out, fmt.Sprintf("%d writes of former leaders after the next one had begun", n))
	}
	if r.SteadyChanges != 0 {
		out = append(out, fmt.Sprintf("the leader changed %d times in %v of slow answers", r.SteadyChanges, r.SteadyFor))
	}
	for _, g := range groups {
		if t := r.times(g); g.bar > 0 && len(t) > 0 && t[len(t)-1] > g.bar+room {
			out = append(out, fmt.Sprintf("hand-over, %s: %v, want at most %v", g.name, t[len(t)-1].Round(ms), g.bar+room))
		}
	}
	return out
}

// Print writes the figures.
func (r *Result) Print(w io.Writer) {
	fmt.Fprintf(w, "leader storm of %.0f s\n", r.Took.Seconds())
	fmt.Fprintf(w, "  Services   %d created, %d deleted, %d edited; %d at the end, %d of them wait for a free address\n",
		r.Creates, r.Deletes, r.Edits, r.Services, r.Waiting)
	fmt.Fprintf(w, "  leaders    %d killed, %d frozen and thawed, %d frozen for less than the Lease, %d told to stop, %d cut off\n",
		r.Deeds[Kill], r.Deeds[Freeze], r.Deeds[Blink], r.Deeds[Ask], r.Deeds[Cut])
	for _, g := range groups {
		t := r.times(g)
		if len(t) == 0 {
			continue
		}
		bar := "no bar"
		if g.bar > 0 {
			bar = fmt.Sprintf("bar %v", g.bar)
		}
		fmt.Fprintf(w, "  hand-over  %-30s n %2d  p50 %5d ms  max %5d ms  (%s)\n",
			g.name, len(t), t[len(t)/2].Milliseconds(), t[len(t)-1].Milliseconds(), bar)
	}
	fmt.Fprintf(w, "  steady     %d changes of leader in %v with API delays up to 1 s (bar 0)\n", r.SteadyChanges, r.SteadyFor)
	fmt.Fprintf(w, "  states     %d seen, %d addresses granted, %d moved by an edit of their own\n", r.States, r.Granted, r.Moved)
	fmt.Fprintf(w, "  duplicates %d, lost or changed %d, late writes %d, not served at the end %d (bars 0)\n",
		len(r.Duplicates), len(r.Lost), r.stale(), len(r.Unserved))
}
