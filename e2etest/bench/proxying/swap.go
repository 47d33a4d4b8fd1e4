package proxying

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
)

// MetricSlower is how many times the p99 under swaps is that without, MetricSwaps how
// many of them there were.
const MetricSlower, MetricSwaps = "slower", "swaps"

// swapEvery is how long after a table was applied the next one is asked for.
const swapEvery = 200 * time.Millisecond

// Swap measures a load while a routing table of so many hosts is made and applied
// anew, again and again, beside the same load without that. Failures there may be
// none, as with every load.
func Swap(name string, load Load, hosts int) *bench.Rig {
	load.Host = "host-7.test"
	begin := func(dir string, s speech) (*proxy, error) { return engineWith(dir, s, "-hosts", fmt.Sprint(hosts)) }
	applied := 0
	return kind{name, load.origin(), load.speech(), begin, 0, func(ctx context.Context, r *run, p *proxy) (bench.Metrics, error) {
		if applied == 0 {
			if err := awaitSwap(ctx, p, 1); err != nil {
				return nil, err
			}
			applied = 1
		}
		calm, _, err := load.measure(ctx, r.dir, p)
		if err != nil {
			return nil, err
		}
		before := applied
		swapping, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- swapAgain(swapping, p, &applied) }()
		busy, _, err := load.measure(ctx, r.dir, p)
		stop()
		if err := errors.Join(err, <-done); err != nil {
			return nil, err
		}
		return bench.Metrics{
			MetricSlower: busy[MetricP99] / calm[MetricP99], MetricP99: busy[MetricP99],
			MetricSwaps: float64(applied - before),
		}, nil
	}}.rig()
}

// swapAgain has tables be swapped, and counts them, until ctx ends.
func swapAgain(ctx context.Context, p *proxy, applied *int) error {
	for {
		if err := p.Signal(syscall.SIGHUP); err != nil {
			return err
		}
		if err := awaitSwap(context.WithoutCancel(ctx), p, *applied+1); err != nil {
			return err
		}
		*applied++
		if bench.Pause(ctx, swapEvery) != nil {
			return nil
		}
	}
}

// awaitSwap waits until the engine says that it has applied its n-th table.
func awaitSwap(ctx context.Context, p *proxy, n int) error {
	return bench.Await(ctx, time.Minute, 10*time.Millisecond, func() error {
		if want := fmt.Sprintf("applied %d", n); !strings.HasSuffix(p.Tail(), want) {
			return fmt.Errorf("the engine does not say %q: %s", want, p.Tail())
		}
		return nil
	})
}
