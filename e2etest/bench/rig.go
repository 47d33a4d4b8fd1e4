package bench

import (
	"context"
	"fmt"
	"io"
	"time"
)

// DefaultRounds is how many rounds a rig runs that does not say.
const DefaultRounds = 5

// Rig is a way to measure some figures together.
type Rig struct {
	Name   string
	Lab    bool // runs in the lab's sandbox, as root
	Rounds int  // 0 means DefaultRounds
	// Open prepares the first round.
	Open func(ctx context.Context, env *Env) (Instrument, error)
}

// Instrument is an open rig.
type Instrument interface {
	// Measure runs one round of one side; rounds count from 0.
	Measure(ctx context.Context, side Side, round int) (Metrics, error)
	// Close ends what Open and Measure have started.
	Close() error
}

// Env is the place where the rigs work.
type Env struct {
	Root string    // of the repository
	Dir  string    // scratch, removed by the caller
	Log  io.Writer // progress, for people
}

// Say writes a line of progress.
func (e *Env) Say(format string, args ...any) {
	fmt.Fprintf(e.Log, "%s  %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}

// Run measures the figures, rig by rig in the order of their first figure, and
// hands each result to tell when it is there.
func Run(ctx context.Context, env *Env, figures []Figure, tell func(Result)) {
	for _, rig := range rigsOf(figures) {
		mine := ofRig(figures, rig)
		start := time.Now()
		ours, peers, err := rig.run(ctx, env, withPeer(mine))
		env.Say("%s: %.0f s", rig.Name, time.Since(start).Seconds())
		for _, f := range mine {
			if err != nil {
				tell(Missing(f, fmt.Errorf("%s: %w", rig.Name, err)))
				continue
			}
			tell(Judge(f, ours, peers))
		}
	}
}

// run opens the rig and runs all its rounds. The sides take turns in going
// first.
func (r *Rig) run(ctx context.Context, env *Env, peer bool) (ours, peers Rounds, err error) {
	inst, err := r.Open(ctx, env)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if e := inst.Close(); err == nil {
			err = e
		}
	}()
	rounds := r.Rounds
	if rounds == 0 {
		rounds = DefaultRounds
	}
	for i := range rounds {
		for _, side := range turns(i, peer) {
			m, err := inst.Measure(ctx, side, i)
			if err != nil {
				return nil, nil, fmt.Errorf("round %d, %s: %w", i+1, side, err)
			}
			env.Say("%s round %d %s: %v", r.Name, i+1, side, m)
			if side == Ours {
				ours = append(ours, m)
			} else {
				peers = append(peers, m)
			}
		}
	}
	return ours, peers, nil
}

func turns(round int, peer bool) []Side {
	switch {
	case !peer:
		return []Side{Ours}
	case round%2 == 0:
		return []Side{Ours, Peers}
	}
	return []Side{Peers, Ours}
}

func rigsOf(figures []Figure) (out []*Rig) {
	seen := map[*Rig]bool{}
	for _, f := range figures {
		if !seen[f.Rig] {
			seen[f.Rig] = true
			out = append(out, f.Rig)
		}
	}
	return out
}

func ofRig(figures []Figure, rig *Rig) (out []Figure) {
	for _, f := range figures {
		if f.Rig == rig {
			out = append(out, f)
		}
	}
	return out
}

func withPeer(figures []Figure) bool {
	for _, f := range figures {
		if f.Peer != "" {
			return true
		}
	}
	return false
}
