package kubelet

import (
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// seen is told of a pod that is new or has changed.
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

// gone is told of a pod that the API has no more.
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
