package kubelet

import (
	"context"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// watchPods gives each pod of this node its own run.
func (k *kubelet) watchPods(ctx context.Context) {
	mine := informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", k.opts.Node).String()
	})
	factory := informers.NewSharedInformerFactoryWithOptions(k.client, 0, mine)
	informer := factory.Core().V1().Pods().Informer()
	informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { k.seen(o.(*v1.Pod)) },
		UpdateFunc: func(_, o any) { k.seen(o.(*v1.Pod)) },
		DeleteFunc: func(o any) {
			if last, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = last.Obj
			}
			k.gone(o.(*v1.Pod).UID)
		},
	})
	informer.Run(ctx.Done())
}

func (k *kubelet) seen(pod *v1.Pod) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r := k.pods[pod.UID]; r != nil {
		if newer(pod, r.current()) {
			r.update(pod)
		}
		return
	}
	r := newPodRun(k, pod)
	k.pods[pod.UID] = r
	if pod.DeletionTimestamp != nil {
		r.update(pod)
	}
	go func() {
		r.live()
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.pods, r.uid)
	}()
}

func (k *kubelet) gone(uid types.UID) {
	k.mu.Lock()
	r := k.pods[uid]
	k.mu.Unlock()
	if r != nil {
		r.vanish()
	}
}

func (k *kubelet) list() []*podRun {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []*podRun
	for _, r := range k.pods {
		out = append(out, r)
	}
	return out
}

func (k *kubelet) find(namespace, name string) *podRun {
	for _, r := range k.list() {
		if pod := r.current(); pod.Namespace == namespace && pod.Name == name {
			return r
		}
	}
	return nil
}

// stopPods ends all pods when the kubelet is stopped; the API keeps them.
func (k *kubelet) stopPods() {
	for _, r := range k.list() {
		r.expire(time.Now().Add(shutdownGrace))
	}
	for _, r := range k.list() {
		<-r.over
	}
}
