package forwarding

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/lab/network"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
	"github.com/steelyard-lb/steelyard/e2etest/scenario"
)

// Lab is the network that the rigs share; the first one makes it.
type Lab struct{ bed *bed }

// bed is the two ends, and the ways between them as far as they were needed.
type bed struct {
	env             *bench.Env
	dir             string
	asker, answerer *network.Netns
	server          *proc.Proc
	ways            map[setup]*way
}

func (l *Lab) open(env *bench.Env) (*bed, error) {
	if l.bed != nil {
		return l.bed, nil
	}
	dir, err := os.MkdirTemp(env.Dir, "forwarding-")
	if err != nil {
		return nil, err
	}
	b := &bed{env: env, dir: dir, ways: map[setup]*way{}}
	if err := os.Mkdir(b.logs(), 0o755); err != nil {
		return nil, err
	}
	if b.asker, err = network.Create("asker"); err != nil {
		return nil, err
	}
	if b.answerer, err = network.Create("answerer"); err != nil {
		return nil, err
	}
	settings := map[*network.Netns][][2]string{
		b.asker:    {{"ipv4.ip_local_port_range", "1024 65535"}, {"ipv4.tcp_no_metrics_save", "1"}},
		b.answerer: {{"ipv4.tcp_no_metrics_save", "1"}},
	}
	for ns, list := range settings {
		for _, s := range list {
			if err := ns.Sysctl(s[0], s[1]); err != nil {
				return nil, err
			}
		}
	}
	if err := b.serve(); err != nil {
		return nil, err
	}
	l.bed = b
	return b, nil
}

func (b *bed) logs() string { return filepath.Join(b.dir, "logs") }

// serve starts what answers.
func (b *bed) serve() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	b.server, err = proc.Start(b.answerer, b.logs(), proc.Spec{Name: "answerer", Argv: []string{self, "-answer"}})
	return err
}

// Close ends what answers, and the network.
func (l *Lab) Close() error {
	b := l.bed
	if b == nil {
		return nil
	}
	l.bed = nil
	errs := []error{b.server.Kill(), b.asker.Delete(), b.answerer.Delete()}
	for _, w := range b.ways {
		errs = append(errs, w.router.Delete())
	}
	return errors.Join(errs...)
}

// measure runs one round of one side.
type measure func(ctx context.Context, b *bed, side bench.Side) (bench.Metrics, error)

// rig makes a rig of the lab.
func (l *Lab) rig(name string, rounds int, m measure) *bench.Rig {
	return &bench.Rig{Name: name, Lab: true, Shared: l, Rounds: rounds, Open: func(_ context.Context, env *bench.Env) (bench.Instrument, error) {
		b, err := l.open(env)
		return &instrument{name, b, m}, err
	}}
}

// instrument is a rig whose rounds leave nothing behind.
type instrument struct {
	name    string
	bed     *bed
	measure measure
}

// Measure runs one round; where it fails the logs of all processes are kept.
func (i *instrument) Measure(ctx context.Context, side bench.Side, _ int) (bench.Metrics, error) {
	m, err := i.measure(ctx, i.bed, side)
	if err != nil {
		return nil, scenario.KeepFailed(i.name, i.bed.dir, err)
	}
	return m, nil
}

// Close has nothing left to do.
func (i *instrument) Close() error { return nil }

// await calls check until it returns nil, at most so long.
func await(ctx context.Context, within time.Duration, what string, check func() error) error {
	if err := bench.Await(ctx, within, 50*time.Millisecond, check); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// plus is the n-th address after a.
func plus(a netip.Addr, n int) netip.Addr {
	for range n {
		a = a.Next()
	}
	return a
}
