package peering

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/lab/network"
	"github.com/steelyard-lb/steelyard/e2etest/lab/router"
)

// The metrics of a detection, in ms by family.
const (
	MetricV4 = "v4"
	MetricV6 = "v6"
)

const (
	fast         = 50 * time.Millisecond // between BFD packets; three missing are the end
	detectRounds = 30
	lead         = 500 * time.Millisecond // of quiet before an event
)

// Detect cuts the cable of a router, and looks when "steelyard bfd" says that
// its sessions are down.
func (l *Lab) Detect() *bench.Rig {
	return l.rig("bfd detect", detectRounds, func(r *run) (measure, error) {
		w, err := r.watchRouter()
		return func(ctx context.Context, _ bench.Side) (bench.Metrics, error) { return r.detect(ctx, w) }, err
	})
}

// watchRouter starts FRR's bfdd at the router, and a watchman at the node, with
// a session of each family between them.
func (r *run) watchRouter() (watchman, error) {
	frr, err := r.frr(theRouter, frrBFD(routerASN, fast, pairs(routerAddrs(1), addrsOf(theNode))))
	if err != nil {
		return watchman{}, err
	}
	r.stopAtEnd(frr)
	w, err := r.startWatchman(routerAddrs(1), fast)
	if err == nil {
		r.atEnd(w.Kill)
	}
	return w, err
}

func (r *run) detect(ctx context.Context, w watchman) (bench.Metrics, error) {
	if err := w.allUp(ctx, 2); err != nil {
		return nil, err
	}
	time.Sleep(lead)
	at, err := r.cut(theRouter)
	if err != nil {
		return nil, err
	}
	m := bench.Metrics{}
	err = await(ctx, "the router's loss", func() error {
		turns, err := w.turns()
		if err != nil {
			return err
		}
		for _, t := range turns {
			if t.from == "Up" && !t.at.Before(at.Truncate(time.Millisecond)) {
				m[familyOf(t.peer)] = bench.Milliseconds(t.at.Sub(at))
			}
		}
		if len(m) < 2 {
			return fmt.Errorf("noticed by %d of 2 sessions", len(m))
		}
		return nil
	})
	return m, errors.Join(err, r.lab.Restore(theRouter, lab.Fabric))
}

// cut pulls the cable of a host. Those at the other end keep their carrier.
func (b *bed) cut(host string) (at time.Time, err error) {
	at = time.Now()
	return at, b.lab.Cut(host, lab.Fabric)
}

func familyOf(addr netip.Addr) string {
	if addr.Is4() {
		return MetricV4
	}
	return MetricV6
}

// Detected cuts the cable of a node that offers routes, and looks when they are
// gone from the kernel of an FRR router; beside it that of a node with FRR.
func (l *Lab) Detected() *bench.Rig {
	return l.rig("bfd detected", detectRounds, func(r *run) (measure, error) {
		frr, err := r.offerToRouter()
		return func(ctx context.Context, side bench.Side) (bench.Metrics, error) {
			return r.detected(ctx, frr, hostOf(side))
		}, err
	})
}

// offeredBy are the routes of a host, IPv4 first.
func offeredBy(host string) []netip.Prefix {
	if host == theNode {
		return []netip.Prefix{netip.MustParsePrefix("198.18.0.1/32"), netip.MustParsePrefix("2001:db8::1/128")}
	}
	return []netip.Prefix{netip.MustParsePrefix("198.18.0.2/32"), netip.MustParsePrefix("2001:db8::2/128")}
}

// hostOf is where the programs of a side run.
func hostOf(side bench.Side) string {
	if side == bench.Peers {
		return theTwin
	}
	return theNode
}

// offerToRouter has the node and its twin offer routes to an FRR router, all
// under BFD.
func (r *run) offerToRouter() (*router.Router, error) {
	var nodes, routers []neighbor
	for _, addr := range slices.Concat(addrsOf(theNode), addrsOf(theTwin)) {
		nodes = append(nodes, neighbor{addr, nodeASN, true})
	}
	for _, addr := range routerAddrs(1) {
		routers = append(routers, neighbor{addr, routerASN, false})
	}
	frr, err := r.frr(theRouter, frrBGP(routerASN, routerAddrs(1)[0], fast, false, nodes, nil))
	if err != nil {
		return nil, err
	}
	r.stopAtEnd(frr)
	twin, err := r.frr(theTwin, frrBGP(nodeASN, addrsOf(theTwin)[0], fast, false, routers, offeredBy(theTwin)))
	if err != nil {
		return nil, err
	}
	r.stopAtEnd(twin)
	w, err := r.startWatchman(routerAddrs(1), fast)
	if err != nil {
		return nil, err
	}
	r.atEnd(w.Kill)
	s, err := r.startSpeaker()
	if err != nil {
		return nil, err
	}
	r.atEnd(s.kill)
	var sessions []session
	for i, addr := range routerAddrs(1) {
		one := sessionTo(addr)
		one.Peer.OneFamily = true
		one.Routes = []route{{offeredBy(theNode)[i]}}
		sessions = append(sessions, one)
	}
	return frr, s.apply(0, sessions...)
}

func (r *run) detected(ctx context.Context, frr *router.Router, host string) (m bench.Metrics, err error) {
	ns, err := r.ns(theRouter)
	if err != nil {
		return nil, err
	}
	err = await(ctx, "routes of "+host, func() error { return hasAll(ns, offeredBy(host)) })
	if err != nil {
		return nil, err
	}
	if err := bfdUp(ctx, frr, addrsOf(host)...); err != nil {
		return nil, err
	}
	watch, err := ns.WatchRoutes()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, watch.Close()) }()
	time.Sleep(lead)
	at, err := r.cut(host)
	if err != nil {
		return nil, err
	}
	m = bench.Metrics{}
	err = await(ctx, "the end of the routes of "+host, func() error {
		for _, p := range offeredBy(host) {
			when, err := goneAt(watch, p)
			if err != nil {
				return err
			}
			m[familyOf(p.Addr())] = bench.Milliseconds(when.Sub(at))
		}
		return nil
	})
	return m, errors.Join(err, r.lab.Restore(host, lab.Fabric))
}

// goneAt is when a route went.
func goneAt(watch *network.RouteWatch, p netip.Prefix) (time.Time, error) {
	changes, err := watch.Changes()
	if err != nil {
		return time.Time{}, err
	}
	for _, c := range changes {
		if c.Gone && c.Prefix == p {
			return c.At, nil
		}
	}
	return time.Time{}, fmt.Errorf("%v is there", p)
}

// hasAll is nil if the kernel has routes to all of these.
func hasAll(ns *network.Netns, want []netip.Prefix) error {
	routes, err := ns.Routes()
	if err != nil {
		return err
	}
	for _, p := range want {
		if !slices.ContainsFunc(routes, func(r network.Route) bool { return r.Prefix == p }) {
			return fmt.Errorf("%s has no route to %v", ns.Name, p)
		}
	}
	return nil
}
