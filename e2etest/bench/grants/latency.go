package grants

import (
	"context"
	"fmt"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	corev1 "k8s.io/api/core/v1"
)

const (
	latencyCount = 200 // Services in a round
	warmUp       = 20  // more before, not counted
	// latencyPace is from one Service to the next, on both sides: what the one
	// before still causes (its echo, its event) is over by then.
	latencyPace = 30 * time.Millisecond
)

// Metrics of the rigs.
const (
	MetricP50  = "p50 ms"
	MetricP99  = "p99 ms"
	MetricRate = "Services/s"
	MetricRSS  = "rss MB"
)

// Latency measures create → status seen by a watcher, one Service at a time:
// the next is created when the one before has its address, and not earlier than
// 30 ms after it. The peer is a client that creates the Service and then writes
// the status itself, while no controller runs; the same watcher looks.
func (l *Lab) Latency() *bench.Rig {
	return &bench.Rig{Name: "latency", Lab: true, Shared: l, Open: func(ctx context.Context, env *bench.Env) (bench.Instrument, error) {
		w, err := l.open(ctx, env)
		if err != nil {
			return nil, err
		}
		floor, err := w.newFloor(ctx)
		return &latency{w, floor}, err
	}}
}

type latency struct {
	world *world
	floor *floor
}

// Measure runs one round and removes its Services.
func (l *latency) Measure(ctx context.Context, side bench.Side, round int) (bench.Metrics, error) {
	var ours *controller
	var floor *floor
	if side == bench.Ours {
		var err error
		if ours, err = l.world.lead(ctx); err != nil {
			return nil, err
		}
	} else {
		floor = l.floor
	}
	pace := time.NewTicker(latencyPace)
	defer pace.Stop()
	var waited []float64
	for i, name := range names(fmt.Sprintf("lat-%s-%d", side, round), 0, warmUp+latencyCount) {
		took, err := l.world.oneByOne(ctx, name, floor)
		if err != nil {
			return nil, err
		}
		if i >= warmUp {
			waited = append(waited, took)
		}
		<-pace.C
	}
	if err := ours.stop(); err != nil {
		return nil, err
	}
	m := bench.Metrics{MetricP50: bench.Median(waited), MetricP99: bench.Percentile(waited, 99)}
	return m, l.world.clear(ctx)
}

// oneByOne creates a Service and returns the milliseconds until it is seen with
// an address. A floor that is not nil writes the address.
func (w *world) oneByOne(ctx context.Context, name string, floor *floor) (float64, error) {
	seen := w.watcher.expect(name)
	start := time.Now()
	svc, err := w.create(ctx, name, corev1.ServiceTypeLoadBalancer)
	if err != nil {
		return 0, err
	}
	if floor != nil {
		if err := floor.give(ctx, svc, floor.take()); err != nil {
			return 0, err
		}
	}
	at, err := w.watcher.await(ctx, seen, patience)
	return bench.Milliseconds(at.Sub(start)), err
}

// Close has nothing left to do.
func (l *latency) Close() error { return nil }
