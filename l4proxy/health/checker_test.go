package health

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy/health/check"
)

// run runs c until the test ends.
func run(t *testing.T, c *Checker) {
	ctx, cancel := context.WithCancel(context.Background())
	end := make(chan error)
	go func() { end <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-end; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func assigned(addr netip.AddrPort, timeout time.Duration) check.Assignment {
	target := check.Target{Addr: addr, Check: config.HealthCheck{Kind: config.CheckHTTP, Path: "/ok?full=1",
		Interval: 500 * time.Millisecond, Timeout: timeout, Rise: 1, Fall: 1}}
	return check.Assignment{Target: target, ID: target.ID()}
}

// Two hundred backends that hang keep nobody from seeing that one is well and
// another is not.
func TestCheckerBesideHangingTargets(t *testing.T) {
	silent, web, dead := mute(t), website(t, false), closed(t)
	var list []check.Assignment
	for i := range 200 { // each another target
		a := assigned(silent, 400*time.Millisecond)
		a.Check.Fall = i + 1
		a.ID = a.Target.ID()
		list = append(list, a)
	}
	well, ill := assigned(web, 500*time.Millisecond), assigned(dead, 500*time.Millisecond)
	well.Check.Timeout, well.Check.Interval = patience, patience
	well.ID = well.Target.ID()
	c := New(nil)
	run(t, c)
	c.Apply(append(list, well, ill))
	seen, down := map[check.ID]bool{}, map[check.ID]bool{}
	deadline := time.After(60 * time.Second)
	for len(seen) < len(list)+2 {
		select {
		case found := <-c.Found():
			for _, v := range found {
				seen[v.ID], down[v.ID] = true, v.Down
			}
		case <-deadline:
			t.Fatalf("%d of %d targets were checked", len(seen), len(list)+2)
		}
	}
	if down[well.ID] || !down[ill.ID] {
		t.Errorf("the well one is down: %t, the ill one: %t", down[well.ID], down[ill.ID])
	}
	for _, a := range list {
		if !down[a.ID] {
			t.Fatalf("a target that hangs is up")
		}
	}
}

// Verdicts that nobody has read yet are the newest of each target.
func TestAddVerdicts(t *testing.T) {
	got := addVerdicts([]check.Verdict{{ID: 1, Down: true}, {ID: 2}}, []check.Verdict{{ID: 1}, {ID: 3}})
	if len(got) != 3 || got[0].ID != 2 || got[1] != (check.Verdict{ID: 1}) || got[2].ID != 3 {
		t.Errorf("joined: %+v", got)
	}
}
