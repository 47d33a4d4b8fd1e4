package grants

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/cluster"
	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/scenario"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// namespace holds the Services of the bench.
const namespace = "bench"

// Lab is the cluster that the rigs share; the first one starts it, and [Lab.Close]
// ends it.
type Lab struct{ world *world }

// Close ends the cluster if it runs.
func (l *Lab) Close() error {
	if l.world != nil {
		l.world.cluster.Stop()
		l.world = nil
	}
	return nil
}

// world is a running cluster with the product installed.
type world struct {
	env     *bench.Env
	cluster *cluster.Cluster
	plane   *lab.Host
	clients
	controller command // how the controller is started
	watcher    *watcher
}

// open starts the cluster if it does not run yet.
func (l *Lab) open(ctx context.Context, env *bench.Env) (*world, error) {
	if l.world != nil {
		return l.world, nil
	}
	w, err := start(ctx, env)
	if err != nil {
		return nil, fmt.Errorf("start the lab: %w", err)
	}
	l.world = w
	return w, nil
}

func start(ctx context.Context, env *bench.Env) (*world, error) {
	topo := lab.Default(0)
	topo.Hosts = topo.Of(lab.Plane)
	sw, err := scenario.Start(ctx, scenario.Options{
		Dir: filepath.Join(env.Dir, "lab"), Root: env.Root, Bare: true,
		Topo:     topo,
		Progress: func(what string) { env.Say("%s", what) },
	})
	if err != nil {
		return nil, err
	}
	w := &world{env: env, cluster: sw.Cluster}
	if w.plane, err = sw.Lab.Host("cp"); err != nil {
		return nil, err
	}
	if err := w.install(ctx, sw.Chart); err != nil {
		return nil, err
	}
	if err := w.connect(ctx); err != nil {
		return nil, err
	}
	if w.controller, err = w.command(ctx); err != nil {
		return nil, err
	}
	if w.watcher, err = watchServices(ctx, w.streams, env.Say); err != nil {
		return nil, err
	}
	env.Say("product installed by its chart, controllers of Kubernetes stopped")
	return w, nil
}

// install puts the chart and a pool in, and stops what would disturb.
func (w *world) install(ctx context.Context, chart string) error {
	_, err := w.cluster.Helm("install", scenario.Release, chart, "--namespace", scenario.System, "--create-namespace",
		"--set", "image.repository=steelyard.io/steelyard", "--set", "image.tag=lab")
	if err != nil {
		return fmt.Errorf("install the product: %w", err)
	}
	_, err = w.cluster.Client.CoreV1().Namespaces().Create(ctx,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("namespace of the bench: %w", err)
	}
	if err := w.makePool(ctx); err != nil {
		return err
	}
	for _, program := range []string{"kube-scheduler", "kube-controller-manager"} {
		if err := w.cluster.Control("stop", program); err != nil {
			return fmt.Errorf("stop %s: %w", program, err)
		}
	}
	return nil
}

// poolRange is where the addresses are from: the controller takes the lowest,
// the peer those from the middle on, so that they never meet.
const poolRange = "10.200.0.0/16"

func (w *world) makePool(ctx context.Context) error {
	pool := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "steelyard.io/v1beta1", "kind": "IPAddressPool",
		"metadata": map[string]any{"name": "bench", "namespace": scenario.System},
		"spec":     map[string]any{"addresses": []any{poolRange}},
	}}
	resource := schema.GroupVersionResource{Group: "steelyard.io", Version: "v1beta1", Resource: "ipaddresspools"}
	_, err := w.cluster.Dynamic.Resource(resource).Namespace(scenario.System).Create(ctx, pool, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("make the pool: %w", err)
	}
	return nil
}
