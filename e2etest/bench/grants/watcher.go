package grants

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

// watcher sees the Services of the bench and says when each got its address.
type watcher struct {
	mu      sync.Mutex
	waiting map[string]chan<- time.Time
	err     error // the watch is over
}

// watchServices watches until ctx ends.
func watchServices(ctx context.Context, client kubernetes.Interface, say func(string, ...any)) (*watcher, error) {
	list, err := client.CoreV1().Services(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list Services: %w", err)
	}
	w := &watcher{waiting: map[string]chan<- time.Time{}}
	events, err := watchFrom(ctx, client, list.ResourceVersion)
	if err != nil {
		return nil, err
	}
	go func() {
		version := list.ResourceVersion
		for err == nil {
			if version, err = w.follow(events, version); err == nil {
				err = ctx.Err()
			}
			if err == nil {
				say("the API server ended the watch of Services; it is taken up at %s", version)
				events, err = watchFrom(ctx, client, version)
			}
		}
		w.end(err)
	}()
	return w, nil
}

func watchFrom(ctx context.Context, client kubernetes.Interface, version string) (watch.Interface, error) {
	seconds := int64(tokenLife.Seconds())
	events, err := client.CoreV1().Services(namespace).Watch(ctx, metav1.ListOptions{ResourceVersion: version, TimeoutSeconds: &seconds})
	if err != nil {
		return nil, fmt.Errorf("watch Services: %w", err)
	}
	return events, nil
}

// follow tells who waits, until the watch ends; it returns what it saw last.
func (w *watcher) follow(events watch.Interface, version string) (string, error) {
	for event := range events.ResultChan() {
		now := time.Now()
		svc, ok := event.Object.(*corev1.Service)
		if !ok {
			return version, fmt.Errorf("the watch of Services broke: %v", event.Object)
		}
		version = svc.ResourceVersion
		if event.Type != watch.Deleted && len(svc.Status.LoadBalancer.Ingress) > 0 {
			w.saw(svc.Name, now)
		}
	}
	return version, nil
}

func (w *watcher) saw(name string, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ch, ok := w.waiting[name]; ok {
		ch <- at // has room: each name is told once
		delete(w.waiting, name)
	}
}

func (w *watcher) end(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

// expect returns a channel on which the time will come when the Service is seen
// with an address. Ask before that can be.
func (w *watcher) expect(name string) <-chan time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	ch := make(chan time.Time, 1)
	w.waiting[name] = ch
	return ch
}

// expectAll is expect for several Services, in order.
func (w *watcher) expectAll(names []string) []<-chan time.Time {
	out := make([]<-chan time.Time, len(names))
	for i, name := range names {
		out[i] = w.expect(name)
	}
	return out
}

// broken is why nothing will be seen any more.
func (w *watcher) broken() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// await waits for a time that expect promised.
func (w *watcher) await(ctx context.Context, ch <-chan time.Time, patience time.Duration) (time.Time, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case at := <-ch:
		return at, nil
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	case <-timer.C:
		if err := w.broken(); err != nil {
			return time.Time{}, err
		}
		return time.Time{}, fmt.Errorf("a Service got no address within %v", patience)
	}
}

// awaitAll waits for all of them and returns the times in the order of chs.
func (w *watcher) awaitAll(ctx context.Context, chs []<-chan time.Time, patience time.Duration) ([]time.Time, error) {
	deadline := time.Now().Add(patience)
	times := make([]time.Time, len(chs))
	for i, ch := range chs {
		var err error
		if times[i], err = w.await(ctx, ch, time.Until(deadline)); err != nil {
			return nil, fmt.Errorf("%d of %d: %w", i+1, len(chs), err)
		}
	}
	return times, nil
}
