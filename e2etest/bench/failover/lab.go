package failover

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/cluster"
	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/scenario"
)

// Lab is the cluster that the rigs share; the first one starts it, and
// [Lab.Close] ends it.
type Lab struct {
	// Routed puts the client behind an FRR router, to which the addresses are
	// announced by BGP, and to a BIRD router, too.
	Routed bool

	world *world
}

// world is a running cluster with the product and the bench's Services.
type world struct {
	env     *bench.Env
	lab     *lab.Lab
	cluster *cluster.Cluster
	setup   *scenario.World
	client  *lab.Host    // asks
	ear     *lab.Host    // listens to ARP, so that the client's own table is left alone
	crowd   []netip.Addr // addresses of the crowd, once it is there
}

// open starts the cluster if it does not run yet.
func (l *Lab) open(ctx context.Context, env *bench.Env) (*world, error) {
	if l.world != nil {
		return l.world, nil
	}
	w, err := l.start(ctx, env)
	if err != nil {
		return nil, fmt.Errorf("start the lab: %w", err)
	}
	l.world = w
	return w, nil
}

// Close ends the cluster if it runs.
func (l *Lab) Close() error {
	if l.world != nil {
		l.world.cluster.Stop()
		l.world = nil
	}
	return nil
}

// rig makes a rig of the lab. measure runs one round of one side.
func (l *Lab) rig(name string, rounds int, measure func(ctx context.Context, w *world, side bench.Side, round int) (bench.Metrics, error)) *bench.Rig {
	return &bench.Rig{Name: name, Lab: true, Shared: l, Rounds: rounds, Open: func(ctx context.Context, env *bench.Env) (bench.Instrument, error) {
		w, err := l.open(ctx, env)
		return &instrument{name: name, world: w, measure: measure}, err
	}}
}

// instrument is a rig whose rounds leave nothing behind but a lab that the next
// one waits for.
type instrument struct {
	name    string
	world   *world
	measure func(ctx context.Context, w *world, side bench.Side, round int) (bench.Metrics, error)
}

// Measure runs one round; where it fails the logs of all processes are kept.
func (i *instrument) Measure(ctx context.Context, side bench.Side, round int) (bench.Metrics, error) {
	m, err := i.measure(ctx, i.world, side, round)
	if err != nil {
		if kept, e := i.world.setup.KeepLogs(i.name, namespace); e == nil {
			err = fmt.Errorf("%w\nlogs of all processes kept in %s", err, kept)
		}
	}
	return m, err
}

// Close has nothing left to do.
func (i *instrument) Close() error { return nil }

// keepLogs keeps the logs of all processes after a round in which something
// happened that should not have.
func (w *world) keepLogs(of string) {
	kept, err := w.setup.KeepLogs(of, namespace)
	if err != nil {
		w.env.Say("logs of all processes not kept: %v", err)
		return
	}
	w.env.Say("logs of all processes kept in %s", kept)
}

func (l *Lab) start(ctx context.Context, env *bench.Env) (*world, error) {
	topo, client, place := lanTopology(), "client", onLAN
	if l.Routed {
		topo, client, place = routedTopology(), "frrclient", behindRouters
	}
	sw, err := scenario.Start(ctx, scenario.Options{
		Dir: filepath.Join(env.Dir, client), Root: env.Root, Bare: true, Topo: topo,
		Progress: func(what string) { env.Say("%s", what) },
	})
	if err != nil {
		return nil, err
	}
	w := &world{env: env, lab: sw.Lab, cluster: sw.Cluster, setup: sw}
	if w.client, err = sw.Lab.Host(client); err != nil {
		return nil, err
	}
	if w.ear, err = sw.Lab.Host("cp"); err != nil {
		return nil, err
	}
	if l.Routed {
		if err := w.hurryRouters(); err != nil {
			return nil, err
		}
	}
	// As a user has it, not with the log level of the scenarios.
	if err := sw.Install("--set", "log.level=info"); err != nil {
		return nil, err
	}
	if err := w.deploy(place); err != nil {
		return nil, err
	}
	env.Say("product installed by its chart, Services of the bench applied")
	return w, nil
}

// lanTopology has a client on the nodes' LAN, and no router.
func lanTopology() lab.Topology {
	topo := lab.Default(3)
	topo.Hosts = append(append(topo.Of(lab.Plane), topo.Of(lab.Node)...), topo.Of(lab.Client)[0])
	return topo
}
