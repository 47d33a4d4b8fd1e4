package speaker

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// owning is a cluster of which n1 has web's address and offers its route.
func owning(t *testing.T, nodes int, fn func(r *rig)) {
	t.Helper()
	story(t, nodes, func(r *rig) {
		r.next.BGP = []*config.BGPAdvertisement{{Name: "all", Length4: 32}}
		r.next.Peers = []*config.Peer{{Name: "router", Addr: netip.MustParseAddr("192.0.2.254")}}
		r.serve(web, addr4, "n1")
		r.record(addr4, "n1", 1)
		r.run()
		r.did("table 192.0.2.10", "health forwarder ready", "answer 192.0.2.10", "routes 192.0.2.10/32", "health decision ready", "health sessions waiting for BGPPeers router")
		fn(r)
	})
}

func TestRestartKeepsEverything(t *testing.T) {
	owning(t, 2, func(r *rig) {
		r.stop()
		r.did("health decision going away", "members restarting", "routers abandoned")
		if r.records[addr4].Owner != "n1" {
			t.Error("the claim is gone")
		}
	})
}

func TestRestartWhenAllHangs(t *testing.T) {
	owning(t, 2, func(r *rig) {
		r.set(func() { r.api, r.stuck = "hang", true })
		if took := r.stop(); took > askLimit+tellLimit+dropLimit {
			t.Errorf("took %v", took)
		}
		r.did("health decision going away", "members restarting", "routers abandoned")
	})
}

// The successor writes its claim half a second after it is told.
func TestLeaveHandsOver(t *testing.T) {
	owning(t, 2, func(r *rig) {
		r.set(func() { r.leaves = true })
		go func() {
			time.Sleep(500 * time.Millisecond)
			r.note("n2", "claims")
			r.mu.Lock()
			defer r.mu.Unlock()
			r.record(addr4, "n2", 2)
			r.publish(config.Changes{Claims: []netip.Addr{addr4}})
		}()
		if took := r.stop(); took < 500*time.Millisecond+finishTime || took > time.Second+finishTime {
			t.Errorf("took %v", took)
		}
		r.did("health decision going away", "members leaving", "routers stopped", "n2 claims", "answer", "table removed", "members goodbye")
	})
}

// What left is not claimed by others: each step ends within its limit, and the
// last ones are done all the same.
func TestLeaveWhenAllHangs(t *testing.T) {
	owning(t, 2, func(r *rig) {
		r.set(func() { r.leaves, r.stuck, r.api = true, true, "hang" })
		limit := askLimit + tellLimit + stopLimit + handLimit + finishTime + tellLimit
		if took := r.stop(); took > limit || took > 20*time.Second {
			t.Errorf("took %v of %v", took, limit)
		}
		r.did("health decision going away", "members leaving", "routers stopped", "answer", "table removed", "members goodbye")
		if r.logged("not handed over") != 1 {
			t.Errorf("log:\n%s", r.logs)
		}
	})
}

// A node that others may have taken for dead answers for nothing, not even on
// its way out.
func TestLeaveWhileSilent(t *testing.T) {
	owning(t, 3, func(r *rig) {
		r.set(func() { r.leaves = true })
		r.beats(false, 1, "n2:up n3:up") // this process did not run for a while
		r.pass(0)
		r.did("answer")
		r.stop()
		r.did("health decision going away", "members leaving", "routers stopped", "table removed", "members goodbye")
	})
}

// A node alone has nobody to wait for.
func TestLeaveAlone(t *testing.T) {
	owning(t, 1, func(r *rig) {
		r.set(func() { r.leaves = true })
		if took := r.stop(); took > drainTime {
			t.Errorf("took %v", took)
		}
		r.did("health decision going away", "members leaving", "routers stopped", "answer", "table removed", "members goodbye")
	})
}

// A swap that hangs does not hold up the way out.
func TestStopDuringSwap(t *testing.T) {
	story(t, 1, func(r *rig) {
		r.serve(web, addr4, "n1")
		r.set(func() { r.api = "hang" })
		r.run()
		r.pass(100 * time.Millisecond)
		if took := r.stop(); took > askLimit {
			t.Errorf("took %v", took)
		}
	})
}

func TestStopBeforeAnything(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		story(t, 1, func(r *rig) {
			r.set(func() { r.leaves = leaves })
			r.begin()
			r.stop()
			if got := slices.Contains(r.lines(), "table removed"); got != leaves {
				t.Errorf("leaves %v: %q", leaves, r.lines())
			}
		})
	}
}

// A task that ends takes the process with it: others answer at once, and
// routers and kernel go on.
func TestTaskEnds(t *testing.T) {
	fault := errors.New("no raw sockets")
	for _, tt := range []struct{ err, want error }{{fault, fault}, {nil, errEnded}} {
		story(t, 2, func(r *rig) {
			still := false
			r.Tasks = []func(context.Context) error{
				func(context.Context) error { time.Sleep(time.Second); return tt.err },
				func(ctx context.Context) error {
					<-ctx.Done()
					still = slices.Contains(r.lines(), "members goodbye") // it was needed for that
					return ctx.Err()
				},
			}
			r.serve(web, addr4, "n1")
			r.record(addr4, "n1", 1)
			r.run()
			r.did("table 192.0.2.10", "health forwarder ready", "answer 192.0.2.10", "health decision ready", "health sessions ready")
			if err := <-r.end; !errors.Is(err, tt.want) {
				t.Errorf("Run: %v, want %v", err, tt.want)
			}
			if !still {
				t.Error("the other tasks ended before the members were told")
			}
			r.did("health decision going away", "answer", "members goodbye", "routers abandoned")
		})
	}
}
