package bench

import (
	"fmt"
	"math"
	"strings"
)

// Figure is one promise: a row of an area's table and a line of the output.
type Figure struct {
	Name string // area/name
	Unit string
	Peer string // who is measured beside us; "" for nobody
	Bar  Bar    // on the ratio if there is a peer, else on the value
	Rig  *Rig   // what measures it
	// Metrics are the names under which the rig reports the figure; of several
	// the worst counts.
	Metrics []string
	// Scale turns the metrics into Unit; 0 means 1.
	Scale float64
	// MustFail marks a figure that proves the harness by falling short.
	MustFail bool
}

// Area is the part of the name before the slash.
func (f Figure) Area() string {
	area, _, _ := strings.Cut(f.Name, "/")
	return area
}

// Op says how a value is held against a limit.
type Op string

// The comparisons. Near asks for a value within Bar.Slack of the limit.
const (
	Least Op = ">="
	Most  Op = "<="
	Near  Op = "="
)

// Bar is what a figure has to reach.
type Bar struct {
	Op    Op
	Limit float64
	Slack float64 // for Near
}

// AtLeast is the bar of something that should be large.
func AtLeast(limit float64) Bar { return Bar{Op: Least, Limit: limit} }

// AtMost is the bar of something that should be small.
func AtMost(limit float64) Bar { return Bar{Op: Most, Limit: limit} }

// Within is the bar of something that should be as it is.
func Within(limit, slack float64) Bar { return Bar{Near, limit, slack} }

// Holds tells whether v reaches the bar. NaN never does.
func (b Bar) Holds(v float64) bool {
	switch b.Op {
	case Least:
		return v >= b.Limit
	case Most:
		return v <= b.Limit
	case Near:
		return math.Abs(v-b.Limit) <= b.Slack
	}
	return false
}

// worst is the value of list that is furthest from what the bar wants.
func (b Bar) worst(list []float64) float64 {
	out := math.NaN()
	for _, v := range list {
		switch {
		case math.IsNaN(out),
			b.Op == Least && v < out,
			b.Op == Most && v > out,
			b.Op == Near && math.Abs(v-b.Limit) > math.Abs(out-b.Limit):
			out = v
		}
	}
	return out
}

// String is the bar as the output shows it: ">= 0.9", "= 1 ± 0.08".
func (b Bar) String() string {
	if b.Op == Near {
		return fmt.Sprintf("%s %s ± %s", b.Op, plain(b.Limit), plain(b.Slack))
	}
	return fmt.Sprintf("%s %s", b.Op, plain(b.Limit))
}
