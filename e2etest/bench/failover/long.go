package failover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/probe"
)

const (
	longConns = 50
	longDelay = 2 * time.Second // until an answer comes
	longEvery = 50 * time.Millisecond
	longLimit = longDelay + 5*time.Second
)

// PlannedLong drains the owner and moves its addresses, under requests that
// take long and connections that stay open.
func (l *Lab) PlannedLong() *bench.Rig {
	return l.rig("l2 planned-long", plannedRounds, func(ctx context.Context, w *world, _ bench.Side, _ int) (bench.Metrics, error) {
		return w.drainUnderLong(ctx)
	})
}

func (w *world) drainUnderLong(ctx context.Context) (bench.Metrics, error) {
	to, err := w.aim(ctx, chosenEnds)
	if err != nil {
		return nil, err
	}
	open, err := probe.Hold(w.client.Netns, onPort(to.addrs), longConns)
	if err != nil {
		return nil, err
	}
	var slow []*probe.Loop
	for _, addr := range onPort(to.addrs) {
		url := fmt.Sprintf("http://%v/?delay=%v", addr, longDelay)
		slow = append(slow, probe.Start(w.client.Netns, probe.Request{URL: url, Timeout: longLimit}, longEvery))
	}
	time.Sleep(lead + longDelay) // as many are under way as there will be
	err = w.emptyOut(ctx, to.node)
	time.Sleep(longDelay + calm)
	sent, failed := 0, 0
	for _, loop := range slow {
		result := loop.Stop()
		sent, failed = sent+result.Sent, failed+result.Failed
		if result.Failed > 0 {
			w.env.Say("answers that take %v: %v", longDelay, result)
		}
	}
	_, broken, why := open.End()
	if broken > 0 {
		w.env.Say("%d of %d connections broke, the first: %v", broken, longConns, why)
	}
	return bench.Metrics{MetricFailed: float64(failed + broken), MetricSent: float64(sent), MetricBroken: float64(broken)}, err
}

// emptyOut drains a node and moves to another one what it answers for, which
// draining leaves where it is; in the end the node is as it was.
func (w *world) emptyOut(ctx context.Context, node string) error {
	heal, err := drain(ctx, w, node)
	if err == nil {
		_, err = rebalance(ctx, w, node)
	}
	time.Sleep(calm)
	return errors.Join(err, heal())
}
