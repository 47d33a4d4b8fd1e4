package bench

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// DefaultRounds is how many rounds a rig runs that does not say.
const DefaultRounds = 5

// Rig is a way to measure some figures together.
type Rig struct {
	Name string
	Lab  bool // runs in the lab's sandbox, as root
	// Proxies marks a rig that runs there, too, but needs no cluster: only proxies
	// of other people.
	Proxies bool
	Rounds  int // 0 means DefaultRounds
	// Shared is what several rigs use; it is closed after the last of them.
	Shared io.Closer
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
	// Rounds cuts every rig down to so many, for a quick look; 0 for none.
	Rounds int
}

// Say writes a line of progress.
func (e *Env) Say(format string, args ...any) {
	fmt.Fprintf(e.Log, "%s  %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}

// Run measures the figures, rig by rig in the order of their first figure, and
// hands each result to tell when it is there.
func Run(ctx context.Context, env *Env, figures []Figure, tell func(Result)) {
	rigs := rigsOf(figures)
	for i, rig := range rigs {
		mine := ofRig(figures, rig)
		start := time.Now()
		ours, peers, err := rig.run(ctx, env, withPeer(mine))
		env.Say("%s: %.0f s", rig.Name, time.Since(start).Seconds())
		for _, f := range mine {
			if err != nil {
				tell(Missing(f, fmt.Errorf("%s: %w", rig.Name, err)))
				continue
			}
			result := Judge(f, ours, peers)
			if whole := rig.rounds(0); len(ours) < whole {
				result.Short = fmt.Sprintf("%d of %d rounds", len(ours), whole)
			}
			tell(result)
		}
		if rig.Shared != nil && !slices.ContainsFunc(rigs[i+1:], func(r *Rig) bool { return r.Shared == rig.Shared }) {
			if err := rig.Shared.Close(); err != nil {
				env.Say("%s: close what the rigs shared: %v", rig.Name, err)
			}
		}
	}
}

// rounds is how many the rig runs, at most most if that is not 0.
func (r *Rig) rounds(most int) int {
	n := r.Rounds
	if n == 0 {
		n = DefaultRounds
	}
	if most > 0 {
		n = min(n, most)
	}
	return n
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
	for i := range r.rounds(env.Rounds) {
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
