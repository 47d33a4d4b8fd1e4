package grants

import (
	"context"
	"fmt"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
)

const (
	loadedCount = 1000
	loadedPace  = 10 * time.Millisecond // 100 Services/s
	calm        = 12 * time.Second      // before memory is looked at; the controller tidies up every 10 s
)

// Loaded measures the latency while Services arrive at 100 per second, however
// long each takes, and then, at rest, the memory of the controller with these
// 1,000 Services. The time of each counts from the moment it is due. The peer
// is the floor, as for the latency: what is left of the figure without us.
func (l *Lab) Loaded() *bench.Rig {
	return &bench.Rig{Name: "loaded", Lab: true, Shared: l, Open: func(ctx context.Context, env *bench.Env) (bench.Instrument, error) {
		w, err := l.open(ctx, env)
		if err != nil {
			return nil, err
		}
		floor, err := w.newFloor(ctx)
		return &loaded{w, floor}, err
	}}
}

type loaded struct {
	world *world
	floor *floor
}

// Measure runs one round and removes its Services.
func (l *loaded) Measure(ctx context.Context, side bench.Side, round int) (bench.Metrics, error) {
	w, all := l.world, names(fmt.Sprintf("load-%s-%d", side, round), 0, loadedCount)
	measure := l.byController
	if side == bench.Peers {
		measure = l.byFloor
	}
	m, err := measure(ctx, all)
	if err != nil {
		return nil, err
	}
	return m, w.clear(ctx)
}

func (l *loaded) byController(ctx context.Context, names []string) (bench.Metrics, error) {
	c, err := l.world.lead(ctx)
	if err != nil {
		return nil, err
	}
	m, err := l.world.stream(ctx, names, nil)
	if err != nil {
		return nil, err
	}
	time.Sleep(calm)
	if m[MetricRSS], err = c.rss(); err != nil {
		return nil, err
	}
	return m, c.stop()
}

func (l *loaded) byFloor(ctx context.Context, names []string) (bench.Metrics, error) {
	return l.world.stream(ctx, names, l.floor)
}

// stream creates Services at an even pace and measures for each the time from
// the moment it was due until it was seen with an address. A floor that is not
// nil writes the addresses.
func (w *world) stream(ctx context.Context, names []string, floor *floor) (bench.Metrics, error) {
	seen := w.watcher.expectAll(names)
	due := make([]time.Time, len(names))
	var creating errgroup.Group
	start := time.Now()
	for i, name := range names {
		due[i] = start.Add(time.Duration(i) * loadedPace)
		time.Sleep(time.Until(due[i]))
		addr := ""
		if floor != nil {
			addr = floor.take()
		}
		creating.Go(func() error {
			svc, err := w.create(ctx, name, corev1.ServiceTypeLoadBalancer)
			if err != nil || floor == nil {
				return err
			}
			return floor.give(ctx, svc, addr)
		})
	}
	if err := creating.Wait(); err != nil {
		return nil, err
	}
	times, err := w.watcher.awaitAll(ctx, seen, patience)
	if err != nil {
		return nil, err
	}
	waited := make([]float64, len(times))
	for i, at := range times {
		waited[i] = bench.Milliseconds(at.Sub(due[i]))
	}
	return bench.Metrics{MetricP50: bench.Median(waited), MetricP99: bench.Percentile(waited, 99)}, nil
}

// Close has nothing left to do.
func (l *loaded) Close() error { return nil }
