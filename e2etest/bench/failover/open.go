package failover

import (
	"context"
	"net/netip"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/probe"
)

// MetricBroken counts open connections that broke.
const MetricBroken = "broken"

const openConns = 60

// RestartOpen replaces all speakers under connections that stay open.
func (l *Lab) RestartOpen() *bench.Rig {
	return l.rig("l2 restart-open", plannedRounds, func(ctx context.Context, w *world, _ bench.Side, _ int) (bench.Metrics, error) {
		return w.restartUnderOpen(ctx)
	})
}

func (w *world) restartUnderOpen(ctx context.Context) (bench.Metrics, error) {
	if _, err := w.whole(ctx, chosenEnds); err != nil {
		return nil, err
	}
	addrs, err := w.addrsOf(ctx, chosenEnds)
	if err != nil {
		return nil, err
	}
	open, err := probe.Hold(w.client.Netns, onPort(addrs), openConns)
	if err != nil {
		return nil, err
	}
	time.Sleep(lead)
	_, err = rollOut(ctx, w, "")
	time.Sleep(calm)
	_, broken, why := open.End()
	if broken > 0 {
		w.env.Say("%d of %d connections broke, the first: %v", broken, openConns, why)
	}
	return bench.Metrics{MetricBroken: float64(broken)}, err
}

// onPort are addrs with the port of the bench's Services.
func onPort(addrs []netip.Addr) []netip.AddrPort {
	out := make([]netip.AddrPort, 0, len(addrs))
	for _, addr := range addrs {
		out = append(out, netip.AddrPortFrom(addr, port))
	}
	return out
}
