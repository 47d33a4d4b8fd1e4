package failover

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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

const (
	routedBFD    = 50 * time.Millisecond // between packets; three missing are the end
	linkCuts     = 30
	kills        = 10
	afterSession = 5 * time.Second // in which a router may still change a route after a restart
)

// routers are those of the routed lab; the client is behind the first.
var routers = []string{"frr", "bird"}

// Who is watched by BFD while something happens. BIRD drops the routes of a node
// whose BFD ends with its pod, graceful restart or not (docs/bfd.md), so a rollout
// is without it there.
var (
	nobody   []string
	both     = routers
	onlyFRR  = routers[:1]
	routerAt = map[string]string{"frr": "172.31.0.1", "bird": "172.31.0.2"}
)

// bfdOf are the daemons that speak BFD.
var bfdOf = map[string]string{"frr": "bfdd", "bird": "bird"}

// hurryRouters gives the BFD of the routers real-time priority, as ours has. On a
// busy machine each node takes a router for lost whose own process had to wait, and
// all of its routes go at once.
func (w *world) hurryRouters() error {
	for name, daemon := range bfdOf {
		r, err := w.lab.Router(name)
		if err != nil {
			return err
		}
		if err := r.Hurry(daemon); err != nil {
			return err
		}
	}
	return nil
}

func routedTopology() lab.Topology {
	topo := lab.Default(3).Without("client", "witness", "birdclient", "gobgp", "gobgpclient")
	topo.BFD = routedBFD
	return topo
}

// behindRouters has addresses that are on no LAN, and announces them to both
// routers.
var behindRouters = poolOf(namespace, `172.28.40.1-172.28.40.20, "fd00:28::40:1-fd00:28::40:20"`) + `apiVersion: steelyard.io/v1beta1
kind: BFDProfile
metadata: {name: fast, namespace: steelyard-system}
spec: {receiveInterval: 50, transmitInterval: 50, detectMultiplier: 3}
---
apiVersion: steelyard.io/v1beta1
kind: BGPPeer
metadata: {name: frr, namespace: steelyard-system}
spec: {myASN: 64512, peerASN: 64500, peerAddress: 172.31.0.1, holdTime: 9s, enableGracefulRestart: true}
---
apiVersion: steelyard.io/v1beta1
kind: BGPPeer
metadata: {name: bird, namespace: steelyard-system}
spec: {myASN: 64512, peerASN: 64501, peerAddress: 172.31.0.2, holdTime: 9s, enableGracefulRestart: true}
---
apiVersion: steelyard.io/v1beta1
kind: BGPAdvertisement
metadata: {name: bench, namespace: steelyard-system}
spec: {ipAddressPools: [bench]}
`

var bgpPeers = schema.GroupVersionResource{Group: "steelyard.io", Version: "v1beta1", Resource: "bgppeers"}

// guard has these routers watched by BFD, and no others.
func (w *world) guard(ctx context.Context, watched []string) error {
	for _, name := range routers {
		body := `{"spec":{"bfdProfile":null}}`
		if slices.Contains(watched, name) {
			body = `{"spec":{"bfdProfile":"fast"}}`
		}
		_, err := w.cluster.Dynamic.Resource(bgpPeers).Namespace("steelyard-system").
			Patch(ctx, name, types.MergePatchType, []byte(body), metav1.PatchOptions{})
		if err != nil {
			return fmt.Errorf("BFD for %s: %w", name, err)
		}
	}
	return nil
}

// routedWhole waits until the lab is as before a trial: all pods ready, every
// session up, with BFD to those routers that are to be watched, every address
// routed to all nodes by both routers, and answered. It returns the addresses.
func (w *world) routedWhole(ctx context.Context, watched []string) (addrs []netip.Addr, err error) {
	if err := w.guard(ctx, watched); err != nil {
		return nil, err
	}
	err = await(ctx, patience, func() error {
		for _, node := range w.lab.Nodes() {
			if err := w.nodeWhole(ctx, node); err != nil {
				return err
			}
			if err := w.sessionsUp(ctx, node); err != nil {
				return err
			}
		}
		if addrs, err = w.addrsOf(ctx, allEnds); err != nil {
			return err
		}
		if err := w.routedToAll(addrs); err != nil {
			return err
		}
		if err := w.guarded(ctx, watched); err != nil {
			return err
		}
		for _, addr := range addrs {
			if _, err := w.ask(ctx, addr); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("the lab is not whole: %w", err)
	}
	return addrs, nil
}

// sessionsUp checks that a node has a session to each router.
func (w *world) sessionsUp(ctx context.Context, node string) error {
	for _, name := range routers {
		up, err := w.metric(ctx, node, fmt.Sprintf("steelyard_bgp_session_up{peer=%q}", name))
		if err == nil && up != 1 {
			err = fmt.Errorf("%s has no session to %s", node, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// guarded checks that every node has a BFD session to each of the watched routers,
// and that FRR says so too.
func (w *world) guarded(ctx context.Context, watched []string) error {
	for _, name := range watched {
		router, err := w.lab.Router(name)
		if err != nil {
			return err
		}
		for _, node := range w.lab.Topo.Of(lab.Node) {
			up, err := w.metric(ctx, node.Name, fmt.Sprintf(`steelyard_bfd_session_up{local="",multihop="false",peer=%q,vrf=""}`, routerAt[name]))
			if err == nil && up != 1 {
				err = fmt.Errorf("%s has no BFD session to %s", node.Name, name)
			}
			if err == nil && name == routers[0] {
				err = router.BFDUp(node.Addrs(lab.Fabric)[0])
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// routedToAll checks that both routers spread each address over all nodes.
func (w *world) routedToAll(addrs []netip.Addr) error {
	for _, name := range routers {
		r, err := w.lab.Router(name)
		if err != nil {
			return err
		}
		routes, err := r.Routes()
		if err != nil {
			return err
		}
		hops := map[netip.Prefix]int{}
		for _, route := range routes {
			hops[route.Prefix] = len(route.Via)
		}
		for _, addr := range addrs {
			if n := hops[hostRoute(addr)]; n != len(w.lab.Nodes()) {
				return fmt.Errorf("%s routes %v to %d nodes", name, addr, n)
			}
		}
	}
	return nil
}

func hostRoute(addr netip.Addr) netip.Prefix { return netip.PrefixFrom(addr, addr.BitLen()) }

// turn is the node whose turn it is in a round.
func (w *world) turn(round int) string {
	nodes := w.lab.Nodes()
	return nodes[round%len(nodes)]
}

// cutFabric pulls the node's cable to the routers.
func cutFabric(_ context.Context, w *world, node string) (func() error, error) {
	return func() error { return w.lab.Restore(node, lab.Fabric) }, w.lab.Cut(node, lab.Fabric)
}

// RoutedLinkCut pulls a node's cable to the routers, under BFD.
func (l *Lab) RoutedLinkCut() *bench.Rig {
	return l.rig("bgp linkcut", linkCuts, func(ctx context.Context, w *world, _ bench.Side, round int) (bench.Metrics, error) {
		return w.hitRouted(ctx, event{name: "linkcut", strike: cutFabric}, round, both)
	})
}

// RoutedDrain drains a node, and takes it out of the load balancers.
func (l *Lab) RoutedDrain() *bench.Rig {
	return l.rig("bgp drain", plannedRounds, func(ctx context.Context, w *world, _ bench.Side, round int) (bench.Metrics, error) {
		return w.hitRouted(ctx, event{name: "drain", strike: retire, asks: plannedAsks}, round, both)
	})
}

// hitRouted is a trial in which the client behind FRR asks an address of each
// family.
func (w *world) hitRouted(ctx context.Context, e event, round int, watched []string) (bench.Metrics, error) {
	addrs, err := w.routedWhole(ctx, watched)
	if err != nil {
		return nil, err
	}
	is6 := slices.IndexFunc(addrs, netip.Addr.Is6) // IPv4 comes first
	t := askFrom(w.client.Netns, port, addrs[0], addrs[is6])
	if err := t.hit(ctx, w, e, w.turn(round)); err != nil {
		return nil, err
	}
	return w.judge(t, e), nil
}

// RoutedKill kills a node's speaker, and counts what the routers change.
func (l *Lab) RoutedKill() *bench.Rig {
	return l.rig("bgp kill9", kills, func(ctx context.Context, w *world, _ bench.Side, round int) (bench.Metrics, error) {
		return w.changesBy(ctx, event{name: "kill9", strike: killSpeaker}, w.turn(round), both)
	})
}

// RoutedRollout replaces all speakers, and counts what the routers change.
func (l *Lab) RoutedRollout() *bench.Rig {
	return l.rig("bgp rollout", plannedRounds, func(ctx context.Context, w *world, _ bench.Side, round int) (bench.Metrics, error) {
		return w.changesBy(ctx, event{name: "rollout", strike: rollOut}, w.turn(round), onlyFRR)
	})
}

// changesBy counts the changes of routes at both routers from an event until a
// while after all sessions are up again.
func (w *world) changesBy(ctx context.Context, e event, node string, watched []string) (m bench.Metrics, err error) {
	addrs, err := w.routedWhole(ctx, watched)
	if err != nil {
		return nil, err
	}
	time.Sleep(afterSession)
	watches := map[string]*network.RouteWatch{}
	defer func() {
		for _, watch := range watches {
			err = errors.Join(err, watch.Close())
		}
	}()
	for _, name := range routers {
		host, err := w.lab.Host(name)
		if err != nil {
			return nil, err
		}
		watch, err := host.Netns.WatchRoutes()
		if err != nil {
			return nil, err
		}
		watches[name] = watch
	}
	heal, err := e.strike(ctx, w, node)
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", e.name, node, err)
	}
	if heal != nil {
		defer func() { err = errors.Join(err, heal()) }()
	}
	time.Sleep(lead)
	_, err = w.routedWhole(ctx, watched)
	time.Sleep(afterSession)
	m = bench.Metrics{MetricChanges: 0}
	for _, name := range routers {
		n, err := w.countChanges(watches[name], name, addrs)
		if err != nil {
			return nil, err
		}
		m[MetricChanges] += float64(n)
	}
	if m[MetricChanges] > 0 {
		w.keepLogs(e.name)
	}
	return m, err
}

// countChanges counts the changes of the routes to addrs, and tells of them.
func (w *world) countChanges(watch *network.RouteWatch, router string, addrs []netip.Addr) (n int, err error) {
	changes, err := watch.Changes()
	for _, c := range changes {
		if !slices.ContainsFunc(addrs, c.Prefix.Contains) {
			continue
		}
		w.env.Say("%s: %v via %v, gone: %v, at %s", router, c.Prefix, c.Via, c.Gone, c.At.Format("15:04:05.000"))
		n++
	}
	return n, err
}
