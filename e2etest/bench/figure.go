package bench

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Figure is one promise: a row of an area's table and a line of the output.
type Figure struct {
	Name string // area/name
	Unit string
	Peer string // who is measured beside us; "" for nobody
	Bar  Bar    // on the ratio if there is a peer, else on the value
	// Absolute lays the bar on the value all the same: the peer is only shown.
	Absolute bool
	// Also are further peers, shown behind the first: name and metric of the
	// peer's rounds.
	Also []Reading
	// AlsoBars are bars on the ratios to the further peers, in the order of Also. It
	// may have more of them: the others are only shown.
	AlsoBars []Bar
	// Notes are shown behind the value: name and metric of our own rounds.
	Notes []Reading
	// Of says what of the rounds counts; "" is the median.
	Of  Aggregate
	Rig *Rig // what measures it
	// Metrics are the names under which the rig reports the figure; of several
	// the worst counts.
	Metrics []string
	// Scale turns the metrics into Unit; 0 means 1.
	Scale float64
	// MustFail marks a figure that proves the harness by falling short.
	MustFail bool
}

// Ratio is the unit of a figure that is a ratio: what is shown of ours is how it
// stands to the peer's.
const Ratio = "ratio"

// Reading is a metric that is shown under a name.
type Reading struct{ Name, Metric string }

// Aggregate makes one value of those of all rounds.
type Aggregate string

// The ways to do so.
const (
	Middle  Aggregate = ""
	Largest Aggregate = "largest"
	Total   Aggregate = "total"
)

// of is the value that counts; NaN of none.
func (a Aggregate) of(values []float64) float64 {
	switch {
	case len(values) > 0 && a == Largest:
		return slices.Max(values)
	case len(values) > 0 && a == Total:
		sum := 0.0
		for _, v := range values {
			sum += v
		}
		return sum
	}
	return Median(values)
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

// Bar is what a figure has to reach. The zero Bar is none: the figure is only shown.
type Bar struct {
	Op    Op
	Limit float64
	Slack float64 // for Near
}

// AtLeast is the bar of something that should be large.
func AtLeast(limit float64) Bar { return Bar{Op: Least, Limit: limit} }

// AtMost is the bar of something that should be small.
func AtMost(limit float64) Bar { return Bar{Op: Most, Limit: limit} }

// Exactly is the bar of something that must be so and not otherwise.
func Exactly(limit float64) Bar { return Bar{Near, limit, 0} }

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
	return b == Bar{}
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

// String is the bar as the output shows it: ">= 0.9", "= 1 ± 0.08", "= 0", "-".
func (b Bar) String() string {
	if b == (Bar{}) {
		return "-"
	}
	if b.Op == Near && b.Slack != 0 {
		return fmt.Sprintf("%s %s ± %s", b.Op, plain(b.Limit), plain(b.Slack))
	}
	return fmt.Sprintf("%s %s", b.Op, plain(b.Limit))
}
