package failover

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/lab"
)

// The metrics of a flap.
const (
	MetricRecovered = "recovered" // 1 if clients were served again in time
	MetricDouble    = "double"    // ms from the heal to the last question that two nodes answered
)

const (
	flapRounds  = 10
	flapHealed  = 15 * time.Second // between the heal and the second cut
	flapLimit   = 500              // ms without an answer
	doubleEvery = 5 * time.Millisecond
)

// Flap cuts the owner's link, heals it, and 15 s later cuts that of the owner
// that has come after it.
func (l *Lab) Flap() *bench.Rig {
	return l.rig("l2 flap", flapRounds, func(ctx context.Context, w *world, _ bench.Side, _ int) (bench.Metrics, error) {
		return w.flap(ctx)
	})
}

func (w *world) flap(ctx context.Context) (m bench.Metrics, err error) {
	first, err := w.aim(ctx, chosenEnds)
	if err != nil {
		return nil, err
	}
	cut := event{name: "linkcut", strike: func(ctx context.Context, w *world, node string) (func() error, error) {
		return nil, w.lab.Cut(node, lab.LAN) // healed below
	}}
	defer func() { err = errors.Join(err, w.lab.Restore(first.node, lab.LAN)) }()
	if err := askFrom(w.client.Netns, port, first.addrs...).hit(ctx, w, cut, first.node); err != nil {
		return nil, err
	}
	next, err := w.lab.Resolve(w.client.Name, first.addrs[0])
	if err != nil {
		return nil, err
	}
	if next == "" || next == first.node {
		return nil, fmt.Errorf("%v is served again, and its owner is %q after %q", first.addrs[0], next, first.node)
	}
	double, err := w.heal(ctx, first, next)
	if err != nil {
		return nil, err
	}
	second := askFrom(w.client.Netns, port, first.addrs[0])
	err = second.hit(ctx, w, event{name: "linkcut", strike: cutLink}, next)
	if err != nil && !errors.Is(err, errUnserved) {
		return nil, err
	}
	m = second.metrics()
	m[MetricDouble], m[MetricRecovered] = bench.Milliseconds(double), 0
	if err == nil && m[MetricGap] <= flapLimit {
		m[MetricRecovered] = 1
	}
	return m, nil
}

// heal plugs the cable of the first owner in and looks for a while who answers
// for the addresses that were the first one's. It returns for how long two did.
func (w *world) heal(ctx context.Context, first target, next string) (time.Duration, error) {
	lan := slices.DeleteFunc(slices.Clone(first.addrs), netip.Addr.Is6)
	arp, err := startARPProber(w.ear, doubleEvery, lan...)
	if err != nil {
		return 0, err
	}
	at := time.Now()
	err = w.lab.Restore(first.node, lab.LAN)
	if err == nil {
		err = w.serveFrom(ctx, first.addrs[:1], w.others(next))
	}
	time.Sleep(time.Until(at.Add(flapHealed)))
	all, e := arp.end()
	if err := errors.Join(err, e); err != nil {
		return 0, err
	}
	return max(0, doubled(all).Sub(at)), nil
}
