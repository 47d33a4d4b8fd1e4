package storm

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
)

// Deed is what happens to the leader.
type Deed string

// The deeds.
const (
	Kill   Deed = "kill"   // kill -9; a new process takes its place
	Freeze Deed = "freeze" // SIGSTOP for longer than the Lease, then SIGCONT
	Blink  Deed = "blink"  // SIGSTOP for less than the Lease, then SIGCONT
	Ask    Deed = "ask"    // SIGTERM; a new process takes its place
	Cut    Deed = "cut"    // its connections are dropped; it goes on
)

// Fault is one turn of a storm.
type Fault struct {
	Deed   Deed
	Faults Faults // what both proxies do meanwhile
}

// course is what a storm goes through, from the start again when it is over.
// Its first turns are those that CI plays.
var course = []Fault{
	{Kill, Faults{}},
	{Freeze, Faults{Most: 200 * ms, Watch: 2 * time.Second}},
	{Kill, Faults{Most: 500 * ms, Watch: time.Second}},
	{Ask, Faults{}},
	{Blink, Faults{Most: 300 * ms, Watch: 500 * ms}},
	{Kill, Faults{Most: 20 * ms}},
	{Freeze, Faults{Most: time.Second}},
	{Kill, Faults{Most: time.Second, Watch: 3 * time.Second}},
	{Cut, Faults{Most: 100 * ms, Watch: time.Second}},
	{Freeze, Faults{}},
	{Kill, Faults{Least: 100 * ms, Most: 200 * ms}},
	{Ask, Faults{Most: 500 * ms, Watch: 2 * time.Second}},
	{Freeze, Faults{Most: time.Second, Watch: 4 * time.Second}},
}

const ms = time.Millisecond

// HandOver is how one leader followed another.
type HandOver struct {
	Fault Fault
	Took  time.Duration // from the deed to the first status write of the next leader
	Stale int           // writes of the former leader that were carried out after that
}

// handOverPatience is when a storm gives up waiting for the next leader.
const handOverPatience = 20 * time.Second

// do plays one fault and returns what followed; nil where the leader stays.
func (s *Storm) do(ctx context.Context, f Fault) (*HandOver, error) {
	for _, c := range s.contenders {
		c.Proxy.Inject(f.Faults)
	}
	if err := bench.Pause(ctx, 500*ms+rand.N(1500*ms)+f.Faults.Watch/2); err != nil {
		return nil, err
	}
	leader, next, err := s.sides(ctx)
	if err != nil {
		return nil, err
	}
	s.say("%-6s %s (%v)", f.Deed, leader.Name, f.Faults)
	at := time.Now()
	switch f.Deed {
	case Kill:
		err = leader.Kill()
	case Ask:
		err = leader.Ask()
	case Cut:
		leader.Proxy.Cut()
		return nil, bench.Pause(ctx, time.Second)
	case Freeze:
		err = leader.Freeze()
	case Blink:
		return nil, s.blink(ctx, leader)
	}
	if err != nil {
		return nil, err
	}
	over, err := s.await(ctx, next, at)
	if err != nil {
		return nil, fmt.Errorf("after %s of %s (%v): %w; its log ends\n%s", f.Deed, leader.Name, f.Faults, err, next.Log())
	}
	s.say("       %s writes after %v", next.Name, over.Sub(at).Round(ms))
	if err := s.revive(ctx, f.Deed, leader, at); err != nil {
		return nil, err
	}
	return &HandOver{Fault: f, Took: over.Sub(at), Stale: len(writesOfServices(leader, over))}, nil
}

func (s *Storm) blink(ctx context.Context, leader *Contender) error {
	if err := leader.Freeze(); err != nil {
		return err
	}
	err := bench.Pause(ctx, 200*ms+rand.N(800*ms))
	if thawed := leader.Thaw(); thawed != nil {
		return thawed
	}
	if err != nil {
		return err
	}
	return bench.Pause(ctx, time.Second)
}

// sides are the leader and the other one. The processes may just have started
// or lost the Lease, so this waits.
func (s *Storm) sides(ctx context.Context) (leader, next *Contender, err error) {
	deadline := time.Now().Add(handOverPatience)
	for time.Now().Before(deadline) {
		who, _, err := s.world.Leader(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("read the Lease: %w", err)
		}
		for i, c := range s.contenders {
			if c.Name == who && len(writesOfServices(c, time.Now().Add(-2*time.Second))) > 0 {
				return c, s.contenders[1-i], nil
			}
		}
		if err := bench.Pause(ctx, 50*ms); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, fmt.Errorf("nobody leads and writes within %v; the logs end\n%s\n%s", handOverPatience, s.contenders[0].Log(), s.contenders[1].Log())
}

// await waits for the first write of next after at.
func (s *Storm) await(ctx context.Context, next *Contender, at time.Time) (time.Time, error) {
	for time.Since(at) < handOverPatience {
		if writes := writesOfServices(next, at); len(writes) > 0 {
			return writes[0].At, nil
		}
		if err := bench.Pause(ctx, 5*ms); err != nil {
			return time.Time{}, err
		}
	}
	return time.Time{}, fmt.Errorf("%s wrote nothing within %v", next.Name, handOverPatience)
}

// revive brings the former leader back.
func (s *Storm) revive(ctx context.Context, d Deed, former *Contender, at time.Time) error {
	switch d {
	case Freeze:
		if err := bench.Pause(ctx, time.Until(at.Add(3500*ms+rand.N(2500*ms)))); err != nil {
			return err
		}
		if err := former.Thaw(); err != nil {
			return err
		}
		return bench.Pause(ctx, time.Second) // time for what it may still want to say
	case Ask:
		select {
		case <-former.Ended():
		case <-time.After(handOverPatience):
			return fmt.Errorf("%s did not end within %v of being asked", former.Name, handOverPatience)
		}
	}
	if err := former.Start(); err != nil {
		return err
	}
	return bench.Pause(ctx, 500*ms)
}

// writesOfServices are the status writes of c that were carried out after t.
func writesOfServices(c *Contender, t time.Time) []Write {
	var out []Write
	for _, w := range c.Proxy.WritesSince(t) {
		if w.Done() && w.OfService() {
			out = append(out, w)
		}
	}
	return out
}
