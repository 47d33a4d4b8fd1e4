package peering

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/bench/usage"
	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
	"github.com/steelyard-lb/steelyard/e2etest/lab/router"
)

// MetricCPU is processor time, in percent of a core.
const MetricCPU = "cpu"

const (
	steady    = 100 * time.Millisecond // between BFD packets
	settle    = 3 * time.Second        // after the last session came up
	usageTime = 15 * time.Second
)

// Sessions measures what 200 BFD sessions cost a node, half of them IPv6, and
// beside it what they cost FRR's bfdd. At the other end is FRR in both cases.
func (l *Lab) Sessions() *bench.Rig {
	return l.rig("bfd sessions", 0, func(r *run) (measure, error) {
		frr, err := r.frr(theRouter, frrBFD(routerASN, steady, pairs(routerAddrs(perFamily), crowdAddrs())))
		if err != nil {
			return nil, err
		}
		r.stopAtEnd(frr)
		return func(ctx context.Context, side bench.Side) (bench.Metrics, error) {
			if side == bench.Peers {
				return r.costOfBFDD(ctx, frr)
			}
			return r.costOfOurs(ctx, frr)
		}, nil
	})
}

func (r *run) costOfOurs(ctx context.Context, far *router.Router) (m bench.Metrics, err error) {
	p, err := r.startServer(ctx, pairs(crowdAddrs(), routerAddrs(perFamily)))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Kill()) }()
	return cost(ctx, p, far)
}

func (r *run) costOfBFDD(ctx context.Context, far *router.Router) (bench.Metrics, error) {
	frr, err := r.frr(theCrowd, frrBFD(nodeASN, steady, pairs(crowdAddrs(), routerAddrs(perFamily))))
	if err != nil {
		return nil, err
	}
	defer frr.Stop()
	bfdd, err := frr.Daemon("bfdd")
	if err != nil {
		return nil, err
	}
	return cost(ctx, bfdd, far)
}

// wish is a session as a speaker asks for it; the fields are named as those of
// the product's type.
type wish struct {
	Peer, Local  netip.Addr
	MinTx, MinRx time.Duration
	Multiplier   uint8
	Independent  bool
}

// startServer starts "steelyard bfd" as it runs beside a speaker, and asks for
// sessions as that does. They stay when it has gone.
func (r *run) startServer(ctx context.Context, sessions []bfdPair) (p *proc.Proc, err error) {
	steelyard, err := lab.Tool("steelyard")
	if err != nil {
		return nil, err
	}
	socket := r.dir()
	p, err = r.start(theCrowd, "bfd", steelyard, "bfd", "--listen", socket)
	if err != nil {
		return nil, err
	}
	var all []wish
	for _, s := range sessions {
		all = append(all, wish{s.peer, s.local, steady, steady, 3, true})
	}
	err = await(ctx, "the socket of "+p.Name, func() error { return ask(socket, all) })
	if err != nil {
		err = errors.Join(fmt.Errorf("%w: %s", err, p.Tail(3)), p.Kill())
	}
	return p, err
}

// ask asks for sessions, and waits for a word of the other side.
func ask(socket string, all []wish) error {
	conn, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if err := json.NewEncoder(conn).Encode(all); err != nil {
		return err
	}
	for answers := json.NewDecoder(conn); ; {
		var update struct{ Statuses []json.RawMessage }
		if err := answers.Decode(&update); err != nil || len(update.Statuses) == len(all) {
			return err
		}
	}
}

// cost is what a process uses of a core over a while in which all its sessions
// with the router are up.
func cost(ctx context.Context, p *proc.Proc, far *router.Router) (bench.Metrics, error) {
	if err := bfdUp(ctx, far, crowdAddrs()...); err != nil {
		return nil, fmt.Errorf("%w: %s", err, p.Tail(3))
	}
	if err := bench.Pause(ctx, settle); err != nil {
		return nil, err
	}
	before, err := usage.CPU(p.Pid)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := bench.Pause(ctx, usageTime); err != nil {
		return nil, err
	}
	after, err := usage.CPU(p.Pid)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, p.Tail(3))
	}
	m := bench.Metrics{MetricCPU: 100 * (after - before).Seconds() / time.Since(start).Seconds()}
	return m, bfdUp(ctx, far, crowdAddrs()...)
}
