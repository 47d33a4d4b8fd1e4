package failover

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/lab/network"
)

// The metrics of the way into a router's kernel, in ms.
const (
	MetricFIB50 = "fib-p50"
	MetricFIB99 = "fib-p99"
)

const (
	fibServices = 200
	fibEvery    = 20 * time.Millisecond // 50 a second
	fibSpace    = "fib"
	deleters    = 16
)

// fibPools has the addresses: enough that none is used twice in a row.
var fibPools = []netip.Prefix{netip.MustParsePrefix("198.19.0.0/20"), netip.MustParsePrefix("fd00:19::/116")}

var fibManifest = `apiVersion: v1
kind: Namespace
metadata: {name: fib}
---
` + poolOf(fibSpace, fmt.Sprintf(`%v, "%v"`, fibPools[0], fibPools[1])) + `apiVersion: steelyard.io/v1beta1
kind: BGPAdvertisement
metadata: {name: fib, namespace: steelyard-system}
spec: {ipAddressPools: [fib], peers: [frr]}
`

// CreateToFIB creates 50 dual-stack Services a second, whatever each takes, and
// looks when FRR's kernel has the later one of the two routes.
func (l *Lab) CreateToFIB() *bench.Rig {
	return l.rig("bgp create-to-fib", 0, func(ctx context.Context, w *world, _ bench.Side, round int) (m bench.Metrics, err error) {
		if _, err := w.routedWhole(ctx, nobody); err != nil {
			return nil, err
		}
		if err := w.apply("fib.yaml", fibManifest); err != nil {
			return nil, err
		}
		took, err := w.createToFIB(ctx, round)
		if err != nil {
			return nil, err
		}
		return bench.Metrics{MetricFIB50: bench.Median(took), MetricFIB99: bench.Percentile(took, 99)}, nil
	})
}

func (w *world) createToFIB(ctx context.Context, round int) (took []float64, err error) {
	names := make([]string, fibServices)
	for i := range names {
		names[i] = fmt.Sprintf("s-%d-%03d", round, i)
	}
	if err := w.endpointsFor(ctx, names); err != nil {
		return nil, err
	}
	host, err := w.lab.Host(routers[0])
	if err != nil {
		return nil, err
	}
	watch, err := host.Netns.WatchRoutes()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, watch.Close(), w.deleteServices(ctx, names)) }()
	due, err := w.createServices(ctx, names)
	if err != nil {
		return nil, err
	}
	err = await(ctx, patience, func() error {
		took, err = w.waits(ctx, watch, due)
		return err
	})
	return took, err
}

// endpointsFor writes the endpoints of Services that are yet to be created: the
// pods of all nodes.
func (w *world) endpointsFor(ctx context.Context, names []string) error {
	pods, err := w.webPods(ctx)
	if err != nil {
		return err
	}
	group, each := errgroup.WithContext(ctx)
	group.SetLimit(crowdWriters)
	for _, name := range names {
		for _, kind := range []discoveryv1.AddressType{discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6} {
			slice := sliceOf(name, kind, pods, w.lab.Nodes())
			group.Go(func() error {
				_, err := w.cluster.Client.DiscoveryV1().EndpointSlices(fibSpace).Create(each, slice, metav1.CreateOptions{})
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("endpoints: %w", err)
	}
	return nil
}

// createServices creates one each 20 ms, and says when each call was made.
func (w *world) createServices(ctx context.Context, names []string) (map[string]time.Time, error) {
	due := make(map[string]time.Time, len(names))
	var group errgroup.Group
	tick := time.NewTicker(fibEvery)
	defer tick.Stop()
	for _, name := range names {
		<-tick.C
		due[name] = time.Now()
		group.Go(func() error { return w.createDual(ctx, name) })
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("create Services: %w", err)
	}
	return due, nil
}

func (w *world) createDual(ctx context.Context, name string) error {
	no, both := false, corev1.IPFamilyPolicyRequireDualStack
	_, err := w.cluster.Client.CoreV1().Services(fibSpace).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeLoadBalancer, AllocateLoadBalancerNodePorts: &no, IPFamilyPolicy: &both,
			Ports: []corev1.ServicePort{{Name: "http", Port: port}},
		},
	}, metav1.CreateOptions{})
	return err
}

// waits is how long the routes of each Service took, in ms; an error if some are
// not there yet.
func (w *world) waits(ctx context.Context, watch *network.RouteWatch, due map[string]time.Time) (took []float64, err error) {
	list, err := w.cluster.Client.CoreV1().Services(fibSpace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list Services: %w", err)
	}
	changes, err := watch.Changes()
	if err != nil {
		return nil, err
	}
	first := map[netip.Prefix]time.Time{}
	for _, c := range changes {
		if _, ok := first[c.Prefix]; !ok && !c.Gone {
			first[c.Prefix] = c.At
		}
	}
	for _, svc := range list.Items {
		begun, ok := due[svc.Name]
		if !ok {
			continue // of the round before, on its way out
		}
		var last time.Time
		for _, ingress := range svc.Status.LoadBalancer.Ingress {
			addr, err := netip.ParseAddr(ingress.IP)
			if err != nil {
				return nil, fmt.Errorf("address of %s: %w", svc.Name, err)
			}
			at, ok := first[hostRoute(addr)]
			if !ok {
				return nil, fmt.Errorf("FRR has no route to %v of %s", addr, svc.Name)
			}
			if at.After(last) {
				last = at
			}
		}
		if len(svc.Status.LoadBalancer.Ingress) != 2 {
			return nil, fmt.Errorf("%s has the addresses %v", svc.Name, svc.Status.LoadBalancer.Ingress)
		}
		took = append(took, bench.Milliseconds(last.Sub(begun)))
	}
	if len(took) != len(due) {
		return nil, fmt.Errorf("%d of %d Services are there", len(took), len(due))
	}
	return took, nil
}

// deleteServices deletes Services with their endpoints, and waits until FRR has
// no route to them.
func (w *world) deleteServices(ctx context.Context, names []string) error {
	group, each := errgroup.WithContext(ctx)
	group.SetLimit(deleters)
	for _, name := range names {
		group.Go(func() error {
			return w.cluster.Client.CoreV1().Services(fibSpace).Delete(each, name, metav1.DeleteOptions{})
		})
	}
	errs := []error{group.Wait(), w.cluster.Client.DiscoveryV1().EndpointSlices(fibSpace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("delete Services: %w", err)
	}
	return await(ctx, patience, func() error {
		r, err := w.lab.Router(routers[0])
		if err != nil {
			return err
		}
		routes, err := r.Routes()
		if err != nil {
			return err
		}
		for _, route := range routes {
			for _, pool := range fibPools {
				if pool.Contains(route.Prefix.Addr()) {
					return fmt.Errorf("FRR still has a route to %v", route.Prefix)
				}
			}
		}
		return nil
	})
}
