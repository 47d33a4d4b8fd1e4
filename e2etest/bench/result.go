package bench

import (
	"errors"
	"fmt"
	"math"
)

// Side is whose turn it is in a round.
type Side string

// The sides of a round.
const (
	Ours  Side = "ours"
	Peers Side = "peer"
)

// Metrics are what one round of one side measured, by name.
type Metrics map[string]float64

// Rounds are the metrics of all rounds of one side, in order.
type Rounds []Metrics

// Result is a figure with what was measured.
type Result struct {
	Figure Figure
	Value  float64   // of our rounds what counts, in the figure's unit
	Peer   float64   // of the peer's rounds what counts; NaN without a peer
	Also   []float64 // the same of the figure's further peers
	Notes  []float64 // the same of the figure's notes
	Ratio  float64   // median of the rounds' ratios, ours to the peer's; NaN without a peer
	Ratios []float64 // the same to each further peer that has a bar
	Ours   []float64 // what Value is made of
	Peers  []float64 // what Peer is made of
	Short  string    // how the run was cut down, "" if it was not
	Err    error     // why there is nothing to show
}

// ErrNoMetric is wrapped when a rig did not report what a figure is made of.
var ErrNoMetric = errors.New("not measured")

// Judge makes the result of a figure out of the rounds of both sides.
func Judge(f Figure, ours, peers Rounds) Result {
	r := Result{Figure: f, Value: math.NaN(), Peer: math.NaN(), Ratio: math.NaN()}
	if r.Ours, r.Err = f.pick(ours, f.Metrics...); r.Err != nil {
		return r
	}
	r.Value = f.Of.of(r.Ours)
	if r.Notes, r.Err = f.read(f.Notes, ours); r.Err != nil {
		return r
	}
	if f.Peer == "" {
		return r
	}
	if r.Peers, r.Err = f.pick(peers, f.Metrics...); r.Err != nil {
		return r
	}
	r.Peer = f.Of.of(r.Peers)
	if r.Also, r.Err = f.read(f.Also, peers); r.Err != nil {
		return r
	}
	if r.Ratios, r.Err = f.further(r.Ours, peers); r.Err != nil {
		return r
	}
	var ratios []float64
	for i := range min(len(ours), len(peers)) {
		ratios = append(ratios, f.ratio(ours[i], peers[i]))
	}
	r.Ratio = Median(ratios)
	if f.Unit == Ratio {
		r.Value = r.Ratio
	}
	return r
}

// ratio is ours to the peer's in a round; of several metrics each is held against
// the same one of the peer, and the worst ratio counts.
func (f Figure) ratio(ours, peers Metrics) float64 {
	var all []float64
	for _, name := range f.Metrics {
		all = append(all, ours[name]/peers[name])
	}
	return f.Bar.worst(all)
}

// further is the median of the rounds' ratios to each further peer that has a bar.
func (f Figure) further(ours []float64, peers Rounds) (out []float64, err error) {
	for i := range f.AlsoBars {
		theirs, err := f.pick(peers, f.Also[i].Metric)
		if err != nil {
			return nil, err
		}
		var ratios []float64
		for round := range min(len(ours), len(theirs)) {
			ratios = append(ratios, ours[round]/theirs[round])
		}
		out = append(out, Median(ratios))
	}
	return out, nil
}

// read is what counts of each reading.
func (f Figure) read(readings []Reading, rounds Rounds) (out []float64, err error) {
	for _, reading := range readings {
		values, err := f.pick(rounds, reading.Metric)
		if err != nil {
			return nil, err
		}
		out = append(out, f.Of.of(values))
	}
	return out, nil
}

// Missing is the result of a figure that could not be measured.
func Missing(f Figure, err error) Result {
	return Result{Figure: f, Value: math.NaN(), Peer: math.NaN(), Ratio: math.NaN(), Err: err}
}

// pick reads out of each round the worst of the metrics.
func (f Figure) pick(rounds Rounds, metrics ...string) ([]float64, error) {
	scale := f.Scale
	if scale == 0 {
		scale = 1
	}
	var out []float64
	for i, m := range rounds {
		var values []float64
		for _, name := range metrics {
			v, ok := m[name]
			if !ok {
				return nil, fmt.Errorf("%s: %w: round %d has no %q", f.Name, ErrNoMetric, i+1, name)
			}
			values = append(values, v*scale)
		}
		out = append(out, f.Bar.worst(values))
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: %w: no rounds", f.Name, ErrNoMetric)
	}
	return out, nil
}

// Holds tells whether the figure reaches its bar.
func (r Result) Holds() bool {
	if r.Err != nil {
		return false
	}
	for i, bar := range r.Figure.AlsoBars {
		if !bar.Holds(r.Ratios[i]) {
			return false
		}
	}
	if r.Figure.Peer != "" && !r.Figure.Absolute {
		return r.Figure.Bar.Holds(r.Ratio)
	}
	return r.Figure.Bar.Holds(r.Value)
}

// Good tells whether the result is as it must be: the bar is reached, or the
// figure was measured and falls short where it has to.
func (r Result) Good() bool { return r.Err == nil && r.Holds() != r.Figure.MustFail }

// Line is the result as one line; a figure without a peer shows "-" for it.
func (r Result) Line() string {
	peer, ratio := "-", "-"
	if r.Figure.Peer != "" {
		peer, ratio = r.Figure.Peer+" "+number(r.Peer), "-"
		for i, v := range r.Also {
			peer += ", " + r.Figure.Also[i].Name + " " + number(v)
		}
		if !math.IsNaN(r.Ratio) {
			ratio = fmt.Sprintf("%.3f", r.Ratio)
		}
	}
	bars := r.Figure.Bar.String()
	for i, bar := range r.Figure.AlsoBars {
		bars += ", " + bar.String()
		if r.Err == nil {
			ratio += fmt.Sprintf(", %.3f", r.Ratios[i])
		}
	}
	verdict := "falls short"
	switch {
	case r.Holds():
		verdict = "holds"
	case r.Figure.MustFail && r.Err == nil:
		verdict = "falls short, as it must"
	}
	if r.Short != "" {
		verdict += " | " + r.Short
	}
	value := number(r.Value) + " " + r.Figure.Unit
	for i, v := range r.Notes {
		value += ", " + r.Figure.Notes[i].Name + " " + number(v)
	}
	return fmt.Sprintf("%s: %s | peer %s | ratio %s | bar %s | %s",
		r.Figure.Name, value, peer, ratio, bars, verdict)
}
