package peering

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/bench/usage"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
	"github.com/steelyard-lb/steelyard/e2etest/lab/router"
)

// MetricRSS is the resident memory of all processes of a side, in MB.
const MetricRSS = "rss"

const rested = 10 * time.Second // before memory is looked at

// RSS measures the memory of a node that offers 10,000 routes to four routers
// and watches them by BFD: our BGP and BFD, and beside them FRR's three daemons.
func (l *Lab) RSS() *bench.Rig {
	return l.rig("bgp rss", 0, func(r *run) (measure, error) {
		var birds []*router.Router
		for i, host := range append([]string{theRouter}, more...) {
			bird, err := r.bird(host, birdRouter(fourRouters()[i], steady))
			if err != nil {
				return nil, err
			}
			r.stopAtEnd(bird)
			birds = append(birds, bird)
		}
		return func(ctx context.Context, side bench.Side) (bench.Metrics, error) {
			if side == bench.Peers {
				return r.memoryOfFRR(ctx, birds)
			}
			return r.memoryOfOurs(ctx, birds)
		}, nil
	})
}

func (r *run) memoryOfOurs(ctx context.Context, birds []*router.Router) (m bench.Metrics, err error) {
	s, err := r.startSpeaker()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.kill()) }()
	w, err := r.startWatchman(fourRouters(), steady)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Kill()) }()
	var sessions []session
	for _, addr := range fourRouters() {
		sessions = append(sessions, sessionTo(addr))
	}
	if err := s.apply(crowdSize, sessions...); err != nil {
		return nil, err
	}
	if err := w.allUp(ctx, len(sessions)); err != nil {
		return nil, err
	}
	return memory(ctx, birds, s.Proc, w.Proc)
}

func (r *run) memoryOfFRR(ctx context.Context, birds []*router.Router) (bench.Metrics, error) {
	var routers []neighbor
	for _, addr := range fourRouters() {
		routers = append(routers, neighbor{addr, routerASN, false})
	}
	frr, err := r.frr(theTwin, frrBGP(nodeASN, addrsOf(theTwin)[0], steady, true, routers, crowd(crowdSize)))
	if err != nil {
		return nil, err
	}
	defer frr.Stop()
	if err := bfdUp(ctx, frr, fourRouters()...); err != nil {
		return nil, err
	}
	var daemons []*proc.Proc
	for _, name := range []string{"zebra", "bgpd", "bfdd"} {
		p, err := frr.Daemon(name)
		if err != nil {
			return nil, err
		}
		daemons = append(daemons, p)
	}
	return memory(ctx, birds, daemons...)
}

// memory is what processes have together when the routers have had all routes
// for a while; each one's is shown, too.
func memory(ctx context.Context, birds []*router.Router, procs ...*proc.Proc) (bench.Metrics, error) {
	allThere := fmt.Sprintf("Total: %[1]d of %[1]d routes", crowdSize)
	err := await(ctx, "routes at four routers", func() error {
		for _, bird := range birds {
			out, err := bird.Show("show route count")
			if err == nil && !strings.Contains(out, allThere) {
				err = fmt.Errorf("%s: %.300q", bird.Name, out)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := bench.Pause(ctx, rested); err != nil {
		return nil, err
	}
	m := bench.Metrics{}
	for _, p := range procs {
		mb, err := usage.Memory(p.Pid)
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %s", p.Name, err, p.Tail(3))
		}
		m[p.Name] = mb
		m[MetricRSS] += mb
	}
	return m, nil
}
