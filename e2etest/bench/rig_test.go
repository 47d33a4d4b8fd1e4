package bench

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// script is an instrument that answers by rule and notes what was asked.
type script struct {
	asked  []Side
	rule   func(side Side, round int) (Metrics, error)
	closed bool
}

func (s *script) Measure(_ context.Context, side Side, round int) (Metrics, error) {
	s.asked = append(s.asked, side)
	return s.rule(side, round)
}

func (s *script) Close() error {
	s.closed = true
	return nil
}

func (s *script) rig(rounds int) *Rig {
	return &Rig{Name: "script", Rounds: rounds, Open: func(context.Context, *Env) (Instrument, error) { return s, nil }}
}

func results(t *testing.T, figures ...Figure) (out []Result) {
	t.Helper()
	Run(t.Context(), &Env{Log: io.Discard}, figures, func(r Result) { out = append(out, r) })
	if len(out) != len(figures) {
		t.Fatalf("%d figures, %d results", len(figures), len(out))
	}
	return out
}

func TestRunInterleaves(t *testing.T) {
	s := &script{rule: func(Side, int) (Metrics, error) { return Metrics{"a": 1, "b": 2}, nil }}
	rig := s.rig(3)
	got := results(t,
		Figure{Name: "x/a", Peer: "p", Bar: Within(1, 0), Rig: rig, Metrics: []string{"a"}},
		Figure{Name: "x/b", Bar: AtMost(1), Rig: rig, Metrics: []string{"b"}})
	if want := []Side{Ours, Peers, Peers, Ours, Ours, Peers}; !slices.Equal(s.asked, want) {
		t.Errorf("turns %v, want %v", s.asked, want)
	}
	if !s.closed || !got[0].Good() || got[1].Good() {
		t.Errorf("closed %v, results %v and %v", s.closed, got[0].Line(), got[1].Line())
	}
}

func TestRunWithoutPeerAndWithFault(t *testing.T) {
	s := &script{rule: func(_ Side, round int) (Metrics, error) { return Metrics{"a": float64(round)}, nil }}
	got := results(t, Figure{Name: "x/a", Bar: AtMost(2), Rig: s.rig(0), Metrics: []string{"a"}})
	if len(s.asked) != DefaultRounds || slices.Contains(s.asked, Peers) || got[0].Value != 2 {
		t.Errorf("asked %v, value %v", s.asked, got[0].Value)
	}
	fault := errors.New("no more")
	s = &script{rule: func(_ Side, round int) (Metrics, error) {
		if round == 1 {
			return nil, fault
		}
		return Metrics{"a": 1}, nil
	}}
	got = results(t, Figure{Name: "x/a", Bar: AtMost(2), Rig: s.rig(5), Metrics: []string{"a"}})
	if !errors.Is(got[0].Err, fault) || got[0].Good() || !s.closed {
		t.Errorf("error %v, good %v, closed %v", got[0].Err, got[0].Good(), s.closed)
	}
}

// Rigs that share something may come in any order; it is closed once, after the
// last of them. A run that was cut down says so.
func TestRunCutDownAndShared(t *testing.T) {
	s := &script{rule: func(Side, int) (Metrics, error) { return Metrics{"a": 1}, nil }}
	shared := &counter{}
	one, two := s.rig(20), s.rig(2)
	one.Shared, two.Shared = shared, shared
	var lines []string
	Run(t.Context(), &Env{Log: io.Discard, Rounds: 3}, []Figure{
		{Name: "x/a", Unit: "ms", Bar: AtMost(2), Rig: one, Metrics: []string{"a"}}, {Name: "x/b", Unit: "ms", Bar: AtMost(2), Rig: two, Metrics: []string{"a"}},
	}, func(r Result) {
		if shared.closed > 0 {
			t.Errorf("%s: what is shared is closed already", r.Figure.Name)
		}
		lines = append(lines, r.Line())
	})
	want := []string{
		"x/a: 1.000 ms | peer - | ratio - | bar <= 2 | holds | 3 of 20 rounds", "x/b: 1.000 ms | peer - | ratio - | bar <= 2 | holds",
	}
	if !slices.Equal(lines, want) || len(s.asked) != 5 || shared.closed != 1 {
		t.Errorf("%q after %d rounds, closed %d times", lines, len(s.asked), shared.closed)
	}
}

type counter struct{ closed int }

func (c *counter) Close() error {
	c.closed++
	return nil
}

// The harness proves itself on real time: work beside the same work is a tie,
// and work slowed by a quarter falls short.
func TestHarnessProvesItself(t *testing.T) {
	unit := calibrate()
	s := &script{rule: func(side Side, _ int) (Metrics, error) {
		slow := unit
		if side == Ours {
			slow += unit / 4
		}
		return Metrics{"same": spin(unit), "slow": spin(slow)}, nil
	}}
	rig := s.rig(61) // many and short: few of them meet another process
	got := results(t,
		Figure{Name: "self/same", Peer: "itself", Bar: Within(1, 0.08), Rig: rig, Metrics: []string{"same"}},
		Figure{Name: "self/slow", Peer: "original", Bar: AtMost(1.08), Rig: rig, Metrics: []string{"slow"}, MustFail: true})
	for _, r := range got {
		if !r.Good() {
			t.Error(r.Line())
		}
	}
}

// calibrate finds how many steps take about a millisecond.
func calibrate() int {
	for n := 1 << 12; ; n *= 2 {
		if spin(n) >= 1e6 {
			return n
		}
	}
}

var sink uint64

// spin does n steps of work and returns the nanoseconds it took. It sleeps
// first, so that the scheduler has no reason to interrupt it.
func spin(n int) float64 {
	time.Sleep(2 * time.Millisecond)
	start := time.Now()
	x := sink | 1
	for range n {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	sink = x
	return float64(time.Since(start).Nanoseconds())
}

func TestRecord(t *testing.T) {
	dir := t.TempDir()
	a, b := Figure{Name: "x/a", Unit: "ms", Bar: AtMost(1)}, Figure{Name: "y/b", Unit: "ms", Bar: AtMost(1)}
	all := []Figure{a, b, {Name: "z/c"}, {Name: "z/d"}}
	at := time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)
	err := Record(dir, at, "here", all, []Result{
		{Figure: a, Value: 0.5, Ours: []float64{0.4, 0.5}}, Missing(b, errors.New("lost")), {Figure: all[2], Value: 1}, {Figure: all[3], Value: 1, Short: "1 of 5 rounds"},
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "x.txt"))
	if want := "# 2026-03-01 12:30, here\nx/a: 0.500 ms | peer - | ratio - | bar <= 1 | holds\n"; err != nil || string(text) != want {
		t.Errorf("x.txt = %q (%v), want %q", text, err, want)
	}
	for _, part := range []string{"y.txt", "z.txt"} {
		if _, err := os.Stat(filepath.Join(dir, part)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("an area of which not all was measured has a file %s: %v", part, err)
		}
	}
	raw, err := os.ReadFile(filepath.Join(dir, "raw", "20260301-123000.json"))
	if err != nil || !strings.Contains(string(raw), "lost") || !strings.Contains(string(raw), "0.4") {
		t.Errorf("raw = %s (%v)", raw, err)
	}
}
