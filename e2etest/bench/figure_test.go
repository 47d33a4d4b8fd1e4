package bench

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestMedianAndPercentile(t *testing.T) {
	for _, c := range []struct {
		values        []float64
		median, p, is float64
	}{
		{[]float64{3}, 3, 99, 3},
		{[]float64{4, 1, 3, 2}, 2.5, 50, 2},
		{[]float64{9, 1, 5}, 5, 99, 9},
		{[]float64{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, 5.5, 90, 9},
		{[]float64{1, 2}, 1.5, 0, 1},
	} {
		if got := Median(c.values); got != c.median {
			t.Errorf("median of %v = %v, want %v", c.values, got, c.median)
		}
		if got := Percentile(c.values, c.p); got != c.is {
			t.Errorf("p%v of %v = %v, want %v", c.p, c.values, got, c.is)
		}
	}
	if !math.IsNaN(Median(nil)) || !math.IsNaN(Percentile(nil, 50)) {
		t.Error("of nothing there is no median and no percentile")
	}
}

func TestBars(t *testing.T) {
	for _, c := range []struct {
		bar  Bar
		text string
		v    float64
		want bool
	}{
		{AtLeast(0.9), ">= 0.9", 0.9, true},
		{AtLeast(0.9), ">= 0.9", 0.899, false},
		{AtLeast(1e6), ">= 1000000", math.NaN(), false},
		{AtMost(1.25), "<= 1.25", 1.25, true},
		{AtMost(1.25), "<= 1.25", 1.2501, false},
		{AtMost(5), "<= 5", math.NaN(), false},
		{Exactly(10), "= 10", 10, true},
		{Exactly(0), "= 0", 1, false},
		{Bar{}, "-", 12, true},
		{Within(1, 0.08), "= 1 ± 0.08", 0.93, true},
		{Within(1, 0.08), "= 1 ± 0.08", 1.09, false},
	} {
		if got := c.bar.Holds(c.v); got != c.want {
			t.Errorf("%v of bar %v = %v", c.v, c.bar, got)
		}
		if got := c.bar.String(); got != c.text {
			t.Errorf("bar reads %q, want %q", got, c.text)
		}
	}
}

func TestLines(t *testing.T) {
	alone := Figure{Name: "ipam/plan-unchanged", Unit: "ms", Bar: AtMost(5), Metrics: []string{"m"}, Scale: 1e-6}
	beside := Figure{Name: "ipam/latency", Unit: "ms", Peer: "floor", Bar: AtMost(1.25), Metrics: []string{"p50"}}
	worse := Figure{Name: "ipam/memory", Unit: "bytes", Bar: AtMost(200), Metrics: []string{"v4", "v6"}}
	gap := Figure{Name: "l2/gap", Unit: "ms", Peer: "fast", Absolute: true, Also: []Reading{{"slow", "late"}}, Bar: AtMost(300), Metrics: []string{"p"}}
	longest := Figure{Name: "l2/gap-max", Unit: "ms", Of: Largest, Bar: AtMost(300), Metrics: []string{"p"}}
	failed := Figure{Name: "l2/failed", Unit: "requests", Of: Total, Bar: Exactly(0), Metrics: []string{"p"}}
	ratio := Figure{Name: "bfd/detected", Unit: Ratio, Peer: "FRR (ms)", Bar: AtMost(1.1), Metrics: []string{"p"}}
	noted := Figure{Name: "bgp/fib", Unit: "ms", Notes: []Reading{{"p99", "late"}}, Bar: AtMost(100), Metrics: []string{"p"}}
	sizes := Figure{Name: "l4/conn", Unit: Ratio, Peer: "rival", Bar: AtLeast(1.05), Metrics: []string{"one", "many"}}
	two := Figure{Name: "http/h1", Unit: "per CPU-s", Peer: "one", Also: []Reading{{"two", "two p"}, {"three", "three p"}}, Bar: AtLeast(1.15), AlsoBars: []Bar{AtLeast(1.3)}, Metrics: []string{"p"}}
	must := Figure{Name: "self/slowed", Unit: "ns", Peer: "optimized", Bar: AtMost(1.08), Metrics: []string{"x"}, MustFail: true}
	rounds := func(name string, values ...float64) (out Rounds) {
		for _, v := range values {
			out = append(out, Metrics{name: v})
		}
		return out
	}
	for _, c := range []struct {
		result Result
		line   string
		good   bool
	}{
		{Judge(alone, rounds("m", 4e6, 9e6, 2.5e6), nil), "ipam/plan-unchanged: 4.000 ms | peer - | ratio - | bar <= 5 | holds", true},
		// The ratio is the median of 1.2, 1.1 and 3, not of the medians.
		{Judge(beside, rounds("p50", 12, 11, 30), rounds("p50", 10, 10, 10)), "ipam/latency: 12.00 ms | peer floor 10.00 | ratio 1.200 | bar <= 1.25 | holds", true},
		{Judge(beside, rounds("p50", 13), rounds("p50", 10)), "ipam/latency: 13.00 ms | peer floor 10.00 | ratio 1.300 | bar <= 1.25 | falls short", false},
		{Judge(worse, Rounds{{"v4": 150, "v6": 250}}, nil), "ipam/memory: 250.0 bytes | peer - | ratio - | bar <= 200 | falls short", false},
		{Judge(must, rounds("x", 3000), rounds("x", 1000)), "self/slowed: 3000 ns | peer optimized 1000 | ratio 3.000 | bar <= 1.08 | falls short, as it must", true},
		{Judge(must, rounds("x", 1000), rounds("x", 1000)), "self/slowed: 1000 ns | peer optimized 1000 | ratio 1.000 | bar <= 1.08 | holds", false},
		{Judge(gap, rounds("p", 200, 900, 250), Rounds{{"p": 100, "late": 3000}, {"p": 100, "late": 3100}, {"p": 100, "late": 3200}}),
			"l2/gap: 250.0 ms | peer fast 100.0, slow 3100 | ratio 2.500 | bar <= 300 | holds", true},
		{Judge(longest, rounds("p", 200, 900, 250), nil), "l2/gap-max: 900.0 ms | peer - | ratio - | bar <= 300 | falls short", false},
		{Judge(failed, rounds("p", 1, 0, 2), nil), "l2/failed: 3.000 requests | peer - | ratio - | bar = 0 | falls short", false},
		{Judge(failed, rounds("p", 0, 0), nil), "l2/failed: 0.000 requests | peer - | ratio - | bar = 0 | holds", true},
		{Judge(ratio, rounds("p", 120, 150, 90), rounds("p", 100, 120, 100)), "bfd/detected: 1.200 ratio | peer FRR (ms) 100.0 | ratio 1.200 | bar <= 1.1 | falls short", false},
		// At many ours is twice the rival's; at one, where both do more, it is not.
		{Judge(sizes, Rounds{{"one": 100, "many": 60}}, Rounds{{"one": 100, "many": 30}}), "l4/conn: 1.000 ratio | peer rival 30.00 | ratio 1.000 | bar >= 1.05 | falls short", false},
		{Judge(noted, Rounds{{"p": 30, "late": 90}, {"p": 40, "late": 80}, {"p": 50, "late": 300}}, nil), "bgp/fib: 40.00 ms, p99 90.00 | peer - | ratio - | bar <= 100 | holds", true},
		// Each further peer that has a bar has to be left behind by it.
		{Judge(two, rounds("p", 120, 240), Rounds{{"p": 100, "two p": 90, "three p": 10}, {"p": 200, "two p": 180, "three p": 10}}),
			"http/h1: 180.0 per CPU-s | peer one 150.0, two 135.0, three 10.00 | ratio 1.200, 1.333 | bar >= 1.15, >= 1.3 | holds", true},
		{Judge(two, rounds("p", 120), Rounds{{"p": 100, "two p": 100, "three p": 10}}),
			"http/h1: 120.0 per CPU-s | peer one 100.0, two 100.0, three 10.00 | ratio 1.200, 1.200 | bar >= 1.15, >= 1.3 | falls short", false},
		{Missing(two, errors.New("no proxies")), "http/h1: - per CPU-s | peer one - | ratio - | bar >= 1.15, >= 1.3 | falls short", false},
		{Missing(beside, errors.New("no lab")), "ipam/latency: - ms | peer floor - | ratio - | bar <= 1.25 | falls short", false},
		{Missing(must, errors.New("no compiler")), "self/slowed: - ns | peer optimized - | ratio - | bar <= 1.08 | falls short", false},
	} {
		if got := c.result.Line(); got != c.line {
			t.Errorf("got  %s\nwant %s", got, c.line)
		}
		if got := c.result.Good(); got != c.good {
			t.Errorf("%s: good = %v", c.line, got)
		}
	}
	if r := Judge(alone, rounds("other", 1), nil); !errors.Is(r.Err, ErrNoMetric) || r.Good() {
		t.Errorf("a metric that is not there: %v", r.Err)
	}
	if r := Judge(gap, rounds("p", 1), rounds("p", 1)); !errors.Is(r.Err, ErrNoMetric) {
		t.Errorf("a further peer that was not measured: %v", r.Err)
	}
	if r := Judge(noted, rounds("p", 1), nil); !errors.Is(r.Err, ErrNoMetric) {
		t.Errorf("a note that was not measured: %v", r.Err)
	}
	if r := Judge(beside, rounds("p50", 1), nil); !errors.Is(r.Err, ErrNoMetric) {
		t.Errorf("a peer without rounds: %v", r.Err)
	}
}

func TestParseGo(t *testing.T) {
	out := `goos: linux
pkg: github.com/steelyard-lb/steelyard/ipam
BenchmarkCore/v4-2         	       1	 500000000 ns/op	       148.5 B/address	   2000000 grants/s
BenchmarkPlanUnchanged 	     100	   3000000 ns/op
BenchmarkOdd what is this
PASS`
	got, err := ParseGo(strings.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	want := Metrics{
		"BenchmarkCore/v4 ns/op": 5e8, "BenchmarkCore/v4 B/address": 148.5, "BenchmarkCore/v4 grants/s": 2e6,
		"BenchmarkPlanUnchanged ns/op": 3e6,
	}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	for name, v := range want {
		if got[name] != v {
			t.Errorf("%s = %v, want %v", name, got[name], v)
		}
	}
	for _, bad := range []string{"PASS", "--- FAIL: BenchmarkCore", "BenchmarkX 1 1 ns/op\npanic: no", "BenchmarkX 1 one ns/op"} {
		if m, err := ParseGo(strings.NewReader(bad)); err == nil {
			t.Errorf("%q gave %v", bad, m)
		}
	}
}

func TestChoose(t *testing.T) {
	all := []Figure{{Name: "self/twin"}, {Name: "ipam/core-v4"}, {Name: "ipam/latency"}, {Name: "proxy/rate"}}
	for pattern, want := range map[string]string{
		"":                        "ipam/core-v4 ipam/latency proxy/rate",
		"ipam":                    "ipam/core-v4 ipam/latency",
		"ipam/latency":            "ipam/latency",
		"proxy, ipam/core-v4":     "ipam/core-v4 proxy/rate",
		"self":                    "self/twin",
		"self ipam/latency proxy": "self/twin ipam/latency proxy/rate",
	} {
		figures, err := Choose(all, pattern)
		var got []string
		for _, f := range figures {
			got = append(got, f.Name)
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q chooses %v (%v), want %s", pattern, got, err, want)
		}
	}
	for _, pattern := range []string{"ipa", "ipam/none", "ipam nothing"} {
		if got, err := Choose(all, pattern); err == nil || !strings.Contains(err.Error(), "ipam/latency") {
			t.Errorf("%q chooses %v, error %v", pattern, got, err)
		}
	}
}
