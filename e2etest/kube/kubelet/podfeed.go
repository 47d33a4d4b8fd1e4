package kubelet

import (
	"context"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// soon is how a watch comes back after the API server was away. client-go's own
// back-off grows to a minute, and a lab has better things to do than to wait.
func soon() *wait.Backoff {
	return &wait.Backoff{Duration: 200 * time.Millisecond, Factor: 2, Jitter: 0.5, Steps: 10, Cap: 2 * time.Second}
}

// watchPods gives each pod of this node its own run.
func (k *kubelet) watchPods(ctx context.Context) {
	pods := k.client.CoreV1().Pods(metav1.NamespaceAll)
	mine := fields.OneTermEqualSelector("spec.nodeName", k.opts.Node).String()
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.FieldSelector = mine
			return pods.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector = mine
			return pods.Watch(ctx, o)
		},
	}
	feed := podFeed{k: k, known: map[types.UID]bool{}}
	cache.NewReflectorWithOptions(source, &v1.Pod{}, feed, cache.ReflectorOptions{Name: "pods of " + k.opts.Node, Backoff: soon()}).RunWithContext(ctx)
}

// podFeed hands what a reflector finds to the kubelet. The reflector calls it
// from one goroutine.
type podFeed struct {
	k     *kubelet
	known map[types.UID]bool // pods that the API had when it was last heard of
}

func (f podFeed) Add(o any) error {
	pod := o.(*v1.Pod)
	f.known[pod.UID] = true
	f.k.seen(pod)
	return nil
}

func (f podFeed) Update(o any) error { return f.Add(o) }

func (f podFeed) Delete(o any) error {
	uid := o.(*v1.Pod).UID
	delete(f.known, uid)
	f.k.gone(uid)
	return nil
}

// Replace takes the list of all pods: those that are missing went away while
// nobody was looking.
func (f podFeed) Replace(list []any, _ string) error {
	there := make(map[types.UID]bool, len(list))
	for _, o := range list {
		there[o.(*v1.Pod).UID] = true
		f.Add(o)
	}
	for uid := range f.known {
		if !there[uid] {
			delete(f.known, uid)
			f.k.gone(uid)
		}
	}
	return nil
}

// Resync has nothing to do: runs keep themselves up to date.
func (f podFeed) Resync() error { return nil }
