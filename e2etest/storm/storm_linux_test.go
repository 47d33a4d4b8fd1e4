package storm

import (
	"context"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/lab/sandbox"
	"github.com/steelyard-lb/steelyard/e2etest/scenario"
)

var box sandbox.Sandbox

func TestMain(m *testing.M) {
	box = sandbox.Enter(sandbox.Options{})
	os.Exit(m.Run())
}

// Faults of a storm: in full, and the part of it that is played by default.
const (
	fullFaults = 50
	fewFaults  = 3
	fewSteady  = 5 * time.Second
	fewRoom    = 1 * time.Second // for hand-overs: the few are played on any machine, and are no measurement
)

// TestLeaderStorm blows as hard as STEELYARD_STORM_FAULTS says.
func TestLeaderStorm(t *testing.T) {
	o := Options{
		Faults: fewFaults, Steady: fewSteady, Out: os.Stdout,
		Load: &Load{Slots: 320, Workers: 8, Pause: 200 * time.Millisecond, Seed: uint64(time.Now().UnixNano())},
	}
	room := fewRoom
	if text := os.Getenv("STEELYARD_STORM_FAULTS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("STEELYARD_STORM_FAULTS=%q: want a number of faults, such as %d", text, fullFaults)
		}
		if o.Faults = n; n >= fullFaults {
			o.Steady, room = time.Minute, 0
		}
	}
	root, err := scenario.Root()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w, err := StartWorld(ctx, box.Dir, root)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Cluster.Stop()
	t.Logf("seed of the load: %d", o.Load.Seed)
	r, err := Run(ctx, w, o)
	if err != nil {
		t.Error(err)
	}
	if r != nil {
		r.Print(os.Stdout)
		for _, f := range r.Failures(room) {
			t.Error(f)
		}
	}
	if dir := os.Getenv("STEELYARD_LOGS"); dir != "" && t.Failed() {
		if err := w.KeepLogs(dir); err != nil {
			t.Errorf("keep the logs: %v", err)
		}
	}
}
