package crowded

import (
	"context"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/bench/usage"
)

// The metrics of memory, in MB.
const (
	MetricRSS  = "rss"
	MetricPeak = "peak"
)

const (
	rssRounds = 9
	rested    = 12 * time.Second // before memory is looked at
)

// RSS measures the memory of a speaker that was just started, when all Services
// are answered and all routers have all routes, after a rest.
func (l *Lab) RSS() *bench.Rig {
	return l.rig("l4 rss", rssRounds, func(ctx context.Context, w *world) (bench.Metrics, error) {
		if err := w.startSpeaker(ctx); err != nil {
			return nil, err
		}
		if err := w.routed(ctx); err != nil {
			return nil, err
		}
		if err := bench.Pause(ctx, rested); err != nil {
			return nil, err
		}
		rss, err := usage.Memory(w.speaker.Pid)
		if err != nil {
			return nil, err
		}
		peak, err := usage.Peak(w.speaker.Pid)
		return bench.Metrics{MetricRSS: rss, MetricPeak: peak}, err
	})
}
