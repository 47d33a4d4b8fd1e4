package peering

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
)

// The metrics of a minute under load.
const (
	MetricDowns    = "downs"    // times that a session was up, and was not any more
	MetricRepeated = "repeated" // minutes that did not count, since the machine stood still
)

const (
	flapMinutes = 10
	burners     = 4                     // busy processes
	churn       = time.Second           // between two changes of all routes
	stallLimit  = 60 * time.Millisecond // a machine that stands still for longer makes nobody punctual
	mostRepeats = 10                    // of a minute
)

// Flaps counts how often BFD takes a living router for lost while both
// processors are busy: with processes that do nothing else, and with a speaker
// that changes 10,000 routes again and again. The router's bfdd runs in real
// time. Every round is a minute of one and the same time of trouble.
func (l *Lab) Flaps() *bench.Rig {
	return l.rig("bfd flaps", flapMinutes, func(r *run) (measure, error) {
		t, err := r.makeTrouble()
		return func(ctx context.Context, _ bench.Side) (bench.Metrics, error) { return t.minute(ctx) }, err
	})
}

// trouble is a node under load.
type trouble struct {
	watchman watchman
	watchdog *proc.Proc
}

func (r *run) makeTrouble() (*trouble, error) {
	nodes := []neighbor{{addrsOf(theNode)[0], nodeASN, true}}
	var t text
	t.WriteString(frrBGP(routerASN, routerAddrs(1)[0], 0, true, nodes, nil))
	t.frrBFD(fast, pairs(routerAddrs(1), addrsOf(theNode)))
	frr, err := r.frr(theRouter, t.String())
	if err != nil {
		return nil, err
	}
	r.stopAtEnd(frr)
	if err := frr.Hurry("bfdd"); err != nil {
		return nil, err
	}
	w, err := r.startWatchman(routerAddrs(1), fast)
	if err != nil {
		return nil, err
	}
	r.atEnd(w.Kill)
	dog, err := r.startWatchdog()
	if err != nil {
		return nil, err
	}
	for i := range burners {
		p, err := r.start(theNode, fmt.Sprint("burner-", i), "sh", "-c", "while :; do :; done")
		if err != nil {
			return nil, err
		}
		r.atEnd(p.Kill)
	}
	return &trouble{w, dog}, r.busySpeaker()
}

// startWatchdog starts what tells when the machine stands still.
func (r *run) startWatchdog() (*proc.Proc, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p, err := r.start(theNode, "watchdog", self, "-watchdog", stallLimit.String())
	if err == nil {
		r.atEnd(p.Kill)
	}
	return p, err
}

// busySpeaker has a speaker offer 10,000 routes, then none, and so on.
func (r *run) busySpeaker() error {
	s, err := r.startSpeaker()
	if err != nil {
		return err
	}
	stop, stopped := make(chan struct{}), make(chan error, 1)
	r.atEnd(func() error {
		close(stop)
		return errors.Join(<-stopped, s.kill())
	})
	go func() {
		stopped <- func() error {
			for many := crowdSize; ; many = crowdSize - many {
				if err := s.apply(many, sessionTo(routerAddrs(1)[0])); err != nil {
					return err
				}
				select {
				case <-stop:
					return nil
				case <-time.After(churn):
				}
			}
		}()
	}()
	return nil
}

// minute counts what went down in a minute in which the machine did not stand
// still.
func (t *trouble) minute(ctx context.Context) (bench.Metrics, error) {
	for repeated := range mostRepeats {
		if err := t.watchman.allUp(ctx, 2); err != nil {
			return nil, err
		}
		downs, stalls, err := t.count()
		if err != nil {
			return nil, err
		}
		if err := bench.Pause(ctx, time.Minute); err != nil {
			return nil, err
		}
		nowDown, nowStalled, err := t.count()
		if err != nil {
			return nil, err
		}
		if nowStalled == stalls {
			return bench.Metrics{MetricDowns: float64(nowDown - downs), MetricRepeated: float64(repeated)}, nil
		}
	}
	return nil, fmt.Errorf("the machine stood still for more than %v in each of %d minutes: %s", stallLimit, mostRepeats, t.watchdog.Tail(3))
}

// count is how often sessions went down, and how often the machine stood still.
func (t *trouble) count() (downs, stalls int, err error) {
	turns, err := t.watchman.turns()
	if err != nil {
		return 0, 0, err
	}
	for _, turn := range turns {
		if turn.from == "Up" {
			downs++
		}
	}
	select {
	case <-t.watchdog.Done():
		return 0, 0, fmt.Errorf("the watchdog ended: %s", t.watchdog.Tail(3))
	default:
	}
	log, err := os.ReadFile(t.watchdog.Log)
	return downs, strings.Count(string(log), " late "), err
}
