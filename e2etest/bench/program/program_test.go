package program

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
)

// TestChildrenAreCounted: what a program has a child do is its doing.
func TestChildrenAreCounted(t *testing.T) {
	p, err := Start(t.TempDir(), "busy", exec.Command("sh", "-c", "(while :; do :; done) & trap 'kill $!' TERM; echo begun; wait"))
	if err != nil {
		t.Fatal(err)
	}
	err = bench.Await(t.Context(), 20*time.Second, 10*time.Millisecond, func() error {
		switch spent, err := p.CPU(); {
		case err != nil:
			return err
		case spent < 100*time.Millisecond:
			return bench.ErrNoMetric
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if mb, err := p.Share(); err != nil || mb <= 0 || mb > 100 {
		t.Errorf("share of memory: %v MB, %v", mb, err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if p.Tail() != "begun" {
		t.Errorf("it said %q", p.Tail())
	}
	if _, err := p.CPU(); err == nil {
		t.Error("what has ended has processor time")
	}
}

func TestWhatCannotStart(t *testing.T) {
	if _, err := Start(t.TempDir(), "none", exec.Command("/nowhere/none")); err == nil || !strings.Contains(err.Error(), "start none") {
		t.Errorf("%v", err)
	}
}
