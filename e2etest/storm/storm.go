package storm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
)

// Options say how long and how hard a storm blows.
type Options struct {
	Faults int           // deeds to leaders
	Steady time.Duration // then with API delays up to 1 s and no deed
	Load   *Load         // without Services
	Out    io.Writer     // progress
}

// Result is what came of a storm.
type Result struct {
	Figures
	Took                    time.Duration
	Creates, Deletes, Edits int64
	Deeds                   map[Deed]int
	HandOvers               []HandOver
	SteadyFor               time.Duration
	SteadyChanges           int32    // of leader, in the steady time
	Unserved                []string // at the end, though they could be served
	Services                int      // at the end
	Waiting                 int      // of them, for want of a free address
}

// Storm is one under way.
type Storm struct {
	world      *World
	opts       Options
	contenders [2]*Contender
	began      time.Time
	result     Result
}

// Run plays a storm to its end and judges it. An error means that it could not
// be played; what was found is in the result.
func Run(ctx context.Context, w *World, o Options) (*Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &Storm{world: w, opts: o, began: time.Now(), result: Result{Deeds: map[Deed]int{}}}
	for i, name := range []string{"castor", "pollux"} {
		c, err := w.NewContender(ctx, name)
		if err != nil {
			return nil, err
		}
		if err := c.Start(); err != nil {
			return nil, err
		}
		s.contenders[i] = c
	}
	group, ctx := errgroup.WithContext(ctx)
	eyes := NewObserver()
	over, calm := context.WithCancel(ctx) // the observer sees all until the end
	group.Go(func() error { return w.observe(over, eyes) })
	group.Go(func() error {
		defer calm()
		return s.play(ctx)
	})
	err := group.Wait()
	s.result.Figures, s.result.Took = eyes.Figures, time.Since(s.began)
	return &s.result, err
}

// play is the storm: load and faults together, then calm.
func (s *Storm) play(ctx context.Context) error {
	load := s.opts.Load
	load.Services = s.world.Cluster.Client.CoreV1().Services(tenants)
	loaded, unload := context.WithCancel(ctx)
	defer unload()
	working := make(chan error, 1)
	go func() { working <- load.Run(loaded) }()
	err := s.blow(ctx)
	unload()
	err = errors.Join(err, <-working)
	s.result.Creates, s.result.Deletes, s.result.Edits = load.creates.Load(), load.deletes.Load(), load.edits.Load()
	if err != nil {
		return err
	}
	for _, c := range s.contenders {
		c.Proxy.Inject(Faults{})
	}
	return s.settle(ctx)
}

func (s *Storm) blow(ctx context.Context) error {
	for i := range s.opts.Faults {
		f := course[i%len(course)]
		over, err := s.do(ctx, f)
		if err != nil {
			return err
		}
		s.result.Deeds[f.Deed]++
		if over != nil {
			s.result.HandOvers = append(s.result.HandOvers, *over)
		}
	}
	return s.steady(ctx)
}

// steady leaves the leader alone while every request takes up to a second.
func (s *Storm) steady(ctx context.Context) error {
	for _, c := range s.contenders {
		c.Proxy.Inject(Faults{})
	}
	if _, _, err := s.sides(ctx); err != nil {
		return err
	}
	for _, c := range s.contenders {
		c.Proxy.Inject(Faults{Most: time.Second})
	}
	_, before, err := s.world.Leader(ctx)
	if err != nil {
		return err
	}
	s.say("steady for %v, API delays up to 1 s", s.opts.Steady)
	if err := bench.Pause(ctx, s.opts.Steady); err != nil {
		return err
	}
	_, after, err := s.world.Leader(ctx)
	s.result.SteadyFor, s.result.SteadyChanges = s.opts.Steady, after-before
	return err
}

func (s *Storm) say(format string, args ...any) {
	fmt.Fprintf(s.opts.Out, "%6.1fs  %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}
