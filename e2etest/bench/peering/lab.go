package peering

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/lab/network"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
	"github.com/steelyard-lb/steelyard/e2etest/lab/router"
	"github.com/steelyard-lb/steelyard/e2etest/scenario"
)

// The hosts, all on one LAN.
const (
	theRouter = "router"
	theNode   = "node"  // has our programs
	theTwin   = "twin"  // has the peer's
	theCrowd  = "crowd" // has as many addresses as the router, and the programs of either in turn
)

// more are routers that are only there to be told routes.
var more = []string{"router2", "router3", "router4"}

// perFamily is how many addresses of a family the router has.
const perFamily = 100

// patience bounds every wait; a lab that needs longer is broken.
const patience = 90 * time.Second

// Lab is the network that the rigs share; the first one makes it.
type Lab struct{ bed *bed }

// bed is a network with nothing running on it.
type bed struct {
	env  *bench.Env
	lab  *lab.Lab
	dirs int // of routers, made so far
}

func (l *Lab) open(env *bench.Env) (*bed, error) {
	if l.bed != nil {
		return l.bed, nil
	}
	if err := lab.HasFRR(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(env.Dir, "peering-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // FRR's daemons have a user of their own
		return nil, err
	}
	built, err := lab.Build(dir, topology())
	if err != nil {
		return nil, fmt.Errorf("start the lab: %w", err)
	}
	l.bed = &bed{env: env, lab: built}
	return l.bed, nil
}

// Close forgets the network, on which nothing runs any more.
func (l *Lab) Close() error {
	l.bed = nil
	return nil
}

// topology has hosts that lab.Build starts nothing on.
func topology() lab.Topology {
	host := func(name string, addrs ...netip.Addr) lab.HostSpec {
		link := lab.Link{Bridge: lab.Fabric, Name: "eth0"}
		for _, addr := range addrs {
			bits := 16
			if addr.Is6() {
				bits = 64
			}
			link.Addrs = append(link.Addrs, netip.PrefixFrom(addr, bits))
		}
		return lab.HostSpec{Name: name, Kind: lab.Client, Links: []lab.Link{link}}
	}
	hosts := []lab.HostSpec{
		host(theRouter, routerAddrs(perFamily)...),
		host(theNode, addrsOf(theNode)...),
		host(theTwin, addrsOf(theTwin)...),
		host(theCrowd, crowdAddrs()...),
	}
	for i, name := range more {
		// IPv6 too: what is not on a link of theirs is no next hop to them.
		hosts = append(hosts, host(name, fourRouters()[1+i], netip.MustParseAddr(fmt.Sprintf("fd00:31::2:%d", i+1))))
	}
	return lab.Topology{Bridges: []string{lab.Fabric}, Hosts: hosts}
}

// fourRouters are the addresses of the router and the three more.
func fourRouters() []netip.Addr {
	out := routerAddrs(1)[:1]
	for i := range more {
		out = append(out, netip.AddrFrom4([4]byte{172, 31, 2, byte(i + 1)}))
	}
	return out
}

// routerAddrs are the first addresses of the router, so many of each family,
// IPv4 first.
func routerAddrs(each int) []netip.Addr { return row(each, "172.31.0.1", "fd00:31::1") }

// crowdAddrs are those of theCrowd, IPv4 first.
func crowdAddrs() []netip.Addr { return row(perFamily, "172.31.3.1", "fd00:31::3:1") }

// row is so many addresses from each of these on.
func row(each int, firsts ...string) (out []netip.Addr) {
	for _, first := range firsts {
		addr := netip.MustParseAddr(first)
		for range each {
			out = append(out, addr)
			addr = addr.Next()
		}
	}
	return out
}

// addrsOf are the addresses of the node or its twin, IPv4 first.
func addrsOf(host string) []netip.Addr {
	if host == theNode {
		return []netip.Addr{netip.MustParseAddr("172.31.1.1"), netip.MustParseAddr("fd00:31::1:1")}
	}
	return []netip.Addr{netip.MustParseAddr("172.31.1.2"), netip.MustParseAddr("fd00:31::1:2")}
}

// ns is the namespace of a host.
func (b *bed) ns(host string) (*network.Netns, error) {
	h, err := b.lab.Host(host)
	if err != nil {
		return nil, err
	}
	return h.Netns, nil
}

// start starts a program on a host.
func (b *bed) start(host, name string, argv ...string) (*proc.Proc, error) {
	ns, err := b.ns(host)
	if err != nil {
		return nil, err
	}
	return proc.Start(ns, b.lab.Logs(), proc.Spec{Name: host + "-" + name, Argv: argv})
}

// dir is a directory for the next router, with a path short enough for sockets.
func (b *bed) dir() string {
	b.dirs++
	return filepath.Join(b.lab.Dir, fmt.Sprint("r", b.dirs))
}

// frr runs FRR on a host.
func (b *bed) frr(host, config string) (*router.Router, error) {
	ns, err := b.ns(host)
	if err != nil {
		return nil, err
	}
	return router.RunFRR(ns, b.dir(), b.lab.Logs(), config)
}

// bird runs BIRD on a host.
func (b *bed) bird(host, config string) (*router.Router, error) {
	ns, err := b.ns(host)
	if err != nil {
		return nil, err
	}
	return router.RunBIRD(ns, b.dir(), b.lab.Logs(), config)
}

// rig makes a rig; open starts what all rounds need, and says how one is
// measured.
func (l *Lab) rig(name string, rounds int, open func(r *run) (measure, error)) *bench.Rig {
	return &bench.Rig{Name: name, Lab: true, Shared: l, Rounds: rounds, Open: func(_ context.Context, env *bench.Env) (bench.Instrument, error) {
		b, err := l.open(env)
		if err != nil {
			return nil, err
		}
		r := &run{bed: b, name: name}
		if r.measure, err = open(r); err != nil {
			return nil, errors.Join(scenario.KeepFailed(name, b.lab.Dir, err), r.Close())
		}
		return r, nil
	}}
}

// measure runs one round of one side.
type measure func(ctx context.Context, side bench.Side) (bench.Metrics, error)

// run is an open rig.
type run struct {
	*bed
	name       string
	measure    measure
	bench.Ends // of what was started, in order
}

// stopAtEnd has a router stopped when the rig closes.
func (r *run) stopAtEnd(what *router.Router) {
	r.atEnd(func() error {
		what.Stop()
		return nil
	})
}

// atEnd has something done when the rig closes, the last such thing first.
func (r *run) atEnd(f func() error) { r.Ends = append(r.Ends, f) }

// Measure runs one round; where it fails the logs of all processes are kept.
func (r *run) Measure(ctx context.Context, side bench.Side, _ int) (bench.Metrics, error) {
	m, err := r.measure(ctx, side)
	if err != nil {
		return nil, scenario.KeepFailed(r.name, r.lab.Dir, err)
	}
	return m, nil
}

// await calls check until it returns nil, at most so long as patience lasts; the
// last error says what was seen.
func await(ctx context.Context, what string, check func() error) error {
	if err := bench.Await(ctx, patience, 50*time.Millisecond, check); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
