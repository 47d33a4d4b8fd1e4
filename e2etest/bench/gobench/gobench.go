// Package gobench is the rig for what plain Go benchmarks of the product
// measure: it builds the test program of a package once and runs it for each
// round anew, so that no round profits from the heap of the one before.
package gobench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
)

// Spec says which benchmarks run and how.
type Spec struct {
	Package string // of the product, such as ./ipam
	Bench   string // regular expression, as for go test -bench
	Time    string // duration or count of one round, as for go test -benchtime
	// Build and PeerBuild are flags for go test -c, of our side and the peer's.
	Build, PeerBuild []string
	Rounds           int // 0 means bench.DefaultRounds
}

// Rig makes a rig that runs the benchmarks of spec.
func Rig(name string, spec Spec) *bench.Rig {
	return &bench.Rig{Name: name, Rounds: spec.Rounds, Open: func(ctx context.Context, env *bench.Env) (bench.Instrument, error) {
		dir, err := os.MkdirTemp(env.Dir, "gobench-")
		if err != nil {
			return nil, fmt.Errorf("directory for test programs: %w", err)
		}
		return &instrument{spec: spec, root: env.Root, dir: dir, built: map[string]string{}}, nil
	}}
}

type instrument struct {
	spec      Spec
	root, dir string
	built     map[string]string // program by build flags
}

// Measure builds the program of the side if it is not there, and runs it.
func (i *instrument) Measure(ctx context.Context, side bench.Side, _ int) (bench.Metrics, error) {
	flags := i.spec.Build
	if side == bench.Peers {
		flags = i.spec.PeerBuild
	}
	program, err := i.program(ctx, flags)
	if err != nil {
		return nil, err
	}
	out, err := i.output(ctx, program, "-test.run=^$", "-test.bench="+i.spec.Bench, "-test.benchtime="+i.spec.Time)
	if err != nil {
		return nil, err
	}
	return bench.ParseGo(bytes.NewReader(out))
}

func (i *instrument) program(ctx context.Context, flags []string) (string, error) {
	key := strings.Join(flags, " ")
	if path, ok := i.built[key]; ok {
		return path, nil
	}
	path := filepath.Join(i.dir, fmt.Sprintf("bench%d.test", len(i.built)))
	args := append([]string{"test", "-c", "-o", path}, flags...)
	if _, err := i.output(ctx, "go", append(args, i.spec.Package)...); err != nil {
		return "", err
	}
	i.built[key] = path
	return path, nil
}

// output runs a program in the root of the repository; what it wrote is part of
// the error if it fails.
func (i *instrument) output(ctx context.Context, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = i.root
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return out, nil
}

// Close removes the programs.
func (i *instrument) Close() error { return os.RemoveAll(i.dir) }
