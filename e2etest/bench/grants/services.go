package grants

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// workers is how many requests run at a time: as many as the controller has.
const workers = 16

// service is a Service as small as can be: no selector, no node ports.
func service(name string, kind corev1.ServiceType) *corev1.Service {
	svc := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.ServiceSpec{Type: kind, Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}
	if kind == corev1.ServiceTypeLoadBalancer {
		no := false
		svc.Spec.AllocateLoadBalancerNodePorts = &no
	}
	return svc
}

// names are n names of Services, numbered from first on.
func names(prefix string, first, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s-%05d", prefix, first+i)
	}
	return out
}

// each calls do for every name, by so many workers as the controller has.
func each(ctx context.Context, names []string, do func(ctx context.Context, i int, name string) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for i, name := range names {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { return do(ctx, i, name) })
	}
	return group.Wait()
}

func (w *world) create(ctx context.Context, name string, kind corev1.ServiceType) (*corev1.Service, error) {
	return w.admin.CoreV1().Services(namespace).Create(ctx, service(name, kind), metav1.CreateOptions{})
}

func (w *world) createAll(ctx context.Context, names []string, kind corev1.ServiceType) error {
	return each(ctx, names, func(ctx context.Context, _ int, name string) error {
		_, err := w.create(ctx, name, kind)
		return err
	})
}

// turnAll makes Services of type LoadBalancer out of others, and returns them in
// the order of the names. That is how many are there at once: to create them
// takes the API server longer than it takes to serve them.
func (w *world) turnAll(ctx context.Context, names []string) ([]*corev1.Service, error) {
	body := []byte(`{"spec":{"type":"LoadBalancer","allocateLoadBalancerNodePorts":false}}`)
	out := make([]*corev1.Service, len(names))
	return out, each(ctx, names, func(ctx context.Context, i int, name string) (err error) {
		out[i], err = w.admin.CoreV1().Services(namespace).Patch(ctx, name, types.StrategicMergePatchType, body, metav1.PatchOptions{})
		return err
	})
}

// clear removes all Services of the bench.
func (w *world) clear(ctx context.Context) error {
	services := w.admin.CoreV1().Services(namespace)
	list, err := services.List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list Services: %w", err)
	}
	all := make([]string, len(list.Items))
	for i := range list.Items {
		all[i] = list.Items[i].Name
	}
	return each(ctx, all, func(ctx context.Context, _ int, name string) error {
		if err := services.Delete(ctx, name, metav1.DeleteOptions{}); !apierrors.IsNotFound(err) {
			return err
		}
		return nil
	})
}
