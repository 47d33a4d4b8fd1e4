package failover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
)

// MetricChanges counts changes of ownership.
const MetricChanges = "changes"

const (
	stableMinutes = 10
	burners       = 5 // busy processes, so that the load is above 4
	lossPercent   = 5 // of the frames from and to every node
)

// Stability counts changes of ownership while nothing happens, but both
// processors are busy and frames are lost. Every round is a minute of one and the
// same time of trouble.
func (l *Lab) Stability() *bench.Rig {
	return &bench.Rig{Name: "l2 stability", Lab: true, Shared: l, Rounds: stableMinutes,
		Open: func(ctx context.Context, env *bench.Env) (bench.Instrument, error) {
			w, err := l.open(ctx, env)
			if err != nil {
				return nil, err
			}
			if _, err := w.whole(ctx, chosenEnds); err != nil {
				return nil, err
			}
			t := &trouble{world: w}
			t.before, err = w.epochs(ctx)
			if err == nil {
				err = t.begin()
			}
			if err != nil {
				return nil, errors.Join(err, t.Close())
			}
			return t, nil
		}}
}

// trouble is load and loss.
type trouble struct {
	world  *world
	procs  []*proc.Proc
	before int64 // epochs of all claims when the last round ended
}

func (t *trouble) begin() error {
	for i := range burners {
		p, err := proc.Start(t.world.ear.Netns, t.world.lab.Logs(), proc.Spec{
			Name: fmt.Sprintf("burner-%d", i), Argv: []string{"sh", "-c", "while :; do :; done"},
		})
		if err != nil {
			return err
		}
		t.procs = append(t.procs, p)
	}
	for _, node := range t.world.lab.Nodes() {
		if err := t.world.lab.Loss(node, lab.LAN, lossPercent); err != nil {
			return err
		}
	}
	return nil
}

// Measure lets a minute pass and counts.
func (t *trouble) Measure(ctx context.Context, _ bench.Side, _ int) (bench.Metrics, error) {
	if err := bench.Pause(ctx, time.Minute); err != nil {
		return nil, err
	}
	now, err := t.world.epochs(ctx)
	if err != nil {
		return nil, err
	}
	changes := now - t.before
	t.before = now
	if changes > 0 { // a figure, not a failure, but what happened is to be known
		if kept, err := t.world.setup.KeepLogs("stability", namespace); err == nil {
			t.world.env.Say("%d changes of ownership: logs of all processes kept in %s", changes, kept)
		}
	}
	return bench.Metrics{MetricChanges: float64(changes)}, nil
}

// Close ends the trouble.
func (t *trouble) Close() error {
	var errs []error
	for _, p := range t.procs {
		errs = append(errs, p.Kill())
	}
	for _, node := range t.world.lab.Nodes() {
		errs = append(errs, t.world.lab.Loss(node, lab.LAN, 0))
	}
	return errors.Join(errs...)
}

// epochs is the sum of the epochs of all claims: it grows by one with each
// change of an owner.
func (w *world) epochs(ctx context.Context) (sum int64, err error) {
	all, err := w.claimed(ctx)
	for _, c := range all {
		sum += c.epoch
	}
	return sum, err
}
