package proxying

import (
	"context"
	"fmt"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
)

// The load of a round is offered within halfTime, and has to be served within
// carried.
const (
	halfTime = 2 * time.Second
	carried  = 2200 * time.Millisecond
)

// HalfLoad measures half of what nginx, whom nothing but processors bounds, could
// serve when the rig was opened. Caddy could not carry it.
func HalfLoad(name string, load Load) *bench.Rig {
	return kind{name, load.origin(), load.speech(), startEngine, 2, func(ctx context.Context, r *run, p *proxy) (bench.Metrics, error) {
		if r.half == 0 { // the rig is opened: the engine comes first, and then nginx
			m, took, err := load.measure(ctx, r.dir, p)
			if p.Name == "nginx" && err == nil {
				r.half = float64(load.Requests) / took.Seconds() / 2
			}
			return m, err
		}
		part := load
		part.PerSecond, part.Requests = r.half, int(r.half*halfTime.Seconds())
		m, took, err := part.measure(ctx, r.dir, p)
		if err == nil && took > carried {
			err = fmt.Errorf("%s took %v to serve what was offered within %v", p.Name, took, halfTime)
		}
		return m, err
	}}.rig()
}
