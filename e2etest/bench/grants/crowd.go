package grants

import (
	"context"
	"fmt"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Crowd measures the memory of a controller that leads 10,000 Services with
// addresses: freshly started in each round, after it has served one more
// Service and rested. It makes the Services that are not there yet.
func (l *Lab) Crowd() *bench.Rig {
	return &bench.Rig{Name: "crowd", Lab: true, Shared: l, Open: func(ctx context.Context, env *bench.Env) (bench.Instrument, error) {
		w, err := l.open(ctx, env)
		if err != nil {
			return nil, err
		}
		return &crowd{w}, w.gather(ctx)
	}}
}

type crowd struct{ world *world }

// gather sees to it that 10,000 Services have addresses.
func (w *world) gather(ctx context.Context) error {
	list, err := w.admin.CoreV1().Services(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list Services: %w", err)
	}
	kinds, served := map[string]corev1.ServiceType{}, map[string]bool{}
	for i := range list.Items {
		svc := &list.Items[i]
		kinds[svc.Name], served[svc.Name] = svc.Spec.Type, len(svc.Status.LoadBalancer.Ingress) > 0
	}
	var missing, other, waiting []string
	for _, name := range names(crowdPrefix, 0, crowdSize) {
		if kind, ok := kinds[name]; !ok {
			missing = append(missing, name)
		} else if kind != corev1.ServiceTypeLoadBalancer {
			other = append(other, name)
		}
		if !served[name] {
			waiting = append(waiting, name)
		}
	}
	seen := w.watcher.expectAll(waiting)
	if err := w.createAll(ctx, missing, corev1.ServiceTypeLoadBalancer); err != nil {
		return err
	}
	if _, err := w.turnAll(ctx, other); err != nil {
		return err
	}
	c, err := w.lead(ctx)
	if err != nil {
		return err
	}
	if _, err := w.watcher.awaitAll(ctx, seen, patience); err != nil {
		return err
	}
	return c.stop()
}

// Measure starts the controller and looks at its memory.
func (c *crowd) Measure(ctx context.Context, _ bench.Side, _ int) (bench.Metrics, error) {
	ours, err := c.world.lead(ctx)
	if err != nil {
		return nil, err
	}
	time.Sleep(calm)
	rss, err := ours.rss()
	if err != nil {
		return nil, err
	}
	return bench.Metrics{MetricRSS: rss}, ours.stop()
}

// Close leaves the Services to the end of the lab.
func (c *crowd) Close() error { return nil }
