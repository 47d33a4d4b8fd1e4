package kube

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/translate"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
)

// PoolChange is a change of IPAddressPools that nobody has made yet.
type PoolChange struct {
	Put    []*v1beta1.IPAddressPool // see [ReadPools]; Preview completes them
	Delete []string                 // names of pools to remove
}

// About tells whether p is about one of the pools that the change puts.
func (c PoolChange) About(p config.Problem) bool {
	return p.Object.Kind == config.KindIPAddressPool &&
		slices.ContainsFunc(c.Put, func(pool *v1beta1.IPAddressPool) bool { return pool.Name == p.Object.Name })
}

// Preview reads what the allocator decides from, as it is now and as it would
// be after the change. The API server judges each changed pool as it would if
// it were written (dry run, KEP-576), but nothing is.
func (c *Client) Preview(ctx context.Context, namespace string, change PoolChange) (now, then *config.Snapshot, err error) {
	w, err := c.readWorld(ctx, namespace)
	if err != nil {
		return nil, nil, err
	}
	now = w.snapshot()
	for _, name := range change.Delete {
		if err := w.remove(name); err != nil {
			return nil, nil, err
		}
	}
	for _, p := range change.Put {
		judged, err := c.judge(ctx, p)
		if err != nil {
			return nil, nil, err
		}
		w.put(judged)
	}
	return now, w.snapshot(), nil
}

// judge lets the API server default and validate p in place of the one that is
// there, and says what would be stored.
func (c *Client) judge(ctx context.Context, p *v1beta1.IPAddressPool) (stored *v1beta1.IPAddressPool, err error) {
	for range attempts {
		stored, err = c.judgeOnce(ctx, p)
		if !apierrors.IsConflict(err) { // the controller writes the pool's status
			break
		}
	}
	return stored, err
}

func (c *Client) judgeOnce(ctx context.Context, p *v1beta1.IPAddressPool) (*v1beta1.IPAddressPool, error) {
	live, stored := &v1beta1.IPAddressPool{}, &v1beta1.IPAddressPool{}
	what := "IPAddressPool " + p.Namespace + "/" + p.Name
	err := c.steelyard.Get().Namespace(p.Namespace).Resource("ipaddresspools").Name(p.Name).Do(ctx).Into(live)
	var req *rest.Request
	switch {
	case apierrors.IsNotFound(err):
		req = c.steelyard.Post().Namespace(p.Namespace).Resource("ipaddresspools")
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", what, err)
	default:
		p.ResourceVersion, p.UID = live.ResourceVersion, live.UID
		req = c.steelyard.Put().Namespace(p.Namespace).Resource("ipaddresspools").Name(p.Name)
	}
	if err := req.Param("dryRun", "All").Body(p).Do(ctx).Into(stored); err != nil {
		return nil, fmt.Errorf("the API server refuses %s: %w", what, err)
	}
	return stored, nil
}

// world is all that allocation depends on, as API objects and as values.
type world struct {
	objects      translate.Objects
	services     map[config.Key]*config.Service
	nodes        map[string]*config.Node
	namespaces   map[string]map[string]string
	reservations map[config.Key]*config.Reservation
}

func (c *Client) readWorld(ctx context.Context, namespace string) (*world, error) {
	w := &world{
		objects: translate.Objects{Namespace: namespace}, services: map[config.Key]*config.Service{}, nodes: map[string]*config.Node{},
		namespaces: map[string]map[string]string{}, reservations: map[config.Key]*config.Reservation{},
	}
	services, err := c.ListServices(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range services {
		w.services[s.Key] = s
	}
	reservations, err := c.ListReservations(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range reservations {
		w.reservations[r.Key] = r
	}
	var nodes corev1.NodeList
	var namespaces corev1.NamespaceList
	var pools v1beta1.IPAddressPoolList
	var ranges networkingv1.ServiceCIDRList
	for _, l := range []struct {
		from   rest.Interface
		plural string
		into   runtime.Object
	}{{c.core, "nodes", &nodes}, {c.core, "namespaces", &namespaces}, {c.steelyard, "ipaddresspools", &pools}, {c.networking, "servicecidrs", &ranges}} {
		err := l.from.Get().Resource(l.plural).Do(ctx).Into(l.into)
		if err != nil && !(l.plural == "servicecidrs" && apierrors.IsNotFound(err)) { // since Kubernetes 1.33
			return nil, fmt.Errorf("list %s: %w", l.plural, err)
		}
	}
	w.take(nodes.Items, namespaces.Items, pools.Items, ranges.Items)
	return w, nil
}

func (w *world) take(nodes []corev1.Node, namespaces []corev1.Namespace, pools []v1beta1.IPAddressPool, ranges []networkingv1.ServiceCIDR) {
	for i := range nodes {
		n := translate.Node(&nodes[i])
		w.nodes[n.Name] = n
		w.objects.Nodes = append(w.objects.Nodes, n)
	}
	for i := range namespaces {
		if namespaces[i].DeletionTimestamp == nil {
			w.namespaces[namespaces[i].Name] = translate.Namespace(&namespaces[i])
		}
	}
	for i := range pools {
		w.objects.Pools = append(w.objects.Pools, &pools[i])
	}
	for i := range ranges {
		for _, s := range ranges[i].Spec.CIDRs {
			if p, err := netip.ParsePrefix(s); err == nil {
				w.objects.ServiceRanges = append(w.objects.ServiceRanges, p)
			}
		}
	}
}

func (w *world) snapshot() *config.Snapshot {
	settings := translate.Config(w.objects)
	return &config.Snapshot{
		Services: config.TableOf(w.services), Nodes: config.TableOf(w.nodes), Namespaces: config.TableOf(w.namespaces),
		Reservations: config.TableOf(w.reservations), Pools: settings.Pools, Problems: settings.Problems,
		Changed: config.Changes{All: true},
	}
}

func (w *world) named(namespace, name string) int {
	return slices.IndexFunc(w.objects.Pools, func(p *v1beta1.IPAddressPool) bool { return p.Namespace == namespace && p.Name == name })
}

// put has p in place of the pool of its name. The list is copied: the snapshot
// before was made of the old one.
func (w *world) put(p *v1beta1.IPAddressPool) {
	w.objects.Pools = slices.Clone(w.objects.Pools)
	if i := w.named(p.Namespace, p.Name); i >= 0 {
		w.objects.Pools[i] = p
		return
	}
	w.objects.Pools = append(w.objects.Pools, p)
}

func (w *world) remove(name string) error {
	i := w.named(w.objects.Namespace, name)
	if i < 0 {
		var names []string
		for _, p := range w.objects.Pools {
			names = append(names, p.Name)
		}
		return fmt.Errorf("there is no IPAddressPool %q in namespace %s; there are: %s", name, w.objects.Namespace, strings.Join(names, ", "))
	}
	w.objects.Pools = slices.Delete(slices.Clone(w.objects.Pools), i, i+1)
	return nil
}
