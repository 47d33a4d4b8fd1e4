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
// 1,000 Services. The time of each counts from the moment it is due.
func (l *Lab) Loaded() *bench.Rig {
	return &bench.Rig{Name: "loaded", Lab: true, Shared: l, Open: func(ctx context.Context, env *bench.Env) (bench.Instrument, error) {
		w, err := l.open(ctx, env)
		return &loaded{w}, err
	}}
}

type loaded struct{ world *world }

// Measure runs one round and removes its Services.
func (l *loaded) Measure(ctx context.Context, _ bench.Side, round int) (bench.Metrics, error) {
	w := l.world
	c, err := w.lead(ctx)
	if err != nil {
		return nil, err
	}
	waited, err := w.stream(ctx, names(fmt.Sprintf("load-%d", round), 0, loadedCount))
	if err != nil {
		return nil, err
	}
	time.Sleep(calm)
	rss, err := c.rss()
	if err != nil {
		return nil, err
	}
	if err := c.stop(); err != nil {
		return nil, err
	}
	m := bench.Metrics{MetricP50: bench.Median(waited), MetricP99: bench.Percentile(waited, 99), MetricRSS: rss}
	return m, w.clear(ctx)
}

// stream creates Services at an even pace and returns for each the
// milliseconds from the moment it was due until it was seen with an address.
func (w *world) stream(ctx context.Context, names []string) ([]float64, error) {
	seen := w.watcher.expectAll(names)
	due := make([]time.Time, len(names))
	var creating errgroup.Group
	start := time.Now()
	for i, name := range names {
		due[i] = start.Add(time.Duration(i) * loadedPace)
		time.Sleep(time.Until(due[i]))
		creating.Go(func() error {
			_, err := w.create(ctx, name, corev1.ServiceTypeLoadBalancer)
			return err
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
		waited[i] = milliseconds(at.Sub(due[i]))
	}
	return waited, nil
}

// Close has nothing left to do.
func (l *loaded) Close() error { return nil }
