package kubelet

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// publish writes the pod's status whenever it has changed, until quit; then
// once more. While the API server is away it tries again.
func (r *podRun) publish(quit <-chan struct{}) {
	pause := 100 * time.Millisecond
	for {
		select {
		case <-r.changed:
		case <-quit:
			if r.k.ctx.Err() == nil {
				r.writeStatus(r.k.ctx)
			}
			return
		}
		if r.k.ctx.Err() != nil {
			continue // the kubelet stops: the API keeps what it knows
		}
		if err := r.writeStatus(r.k.ctx); err != nil {
			r.k.log("cannot write the status", "pod", r.name(), "err", err)
			select {
			case <-time.After(pause):
			case <-quit:
				r.writeStatus(r.k.ctx) // once more; a deletion goes on without it
				return
			}
			pause = min(2*pause, 2*time.Second)
			r.touch()
			continue
		}
		pause = 100 * time.Millisecond
		time.Sleep(5 * time.Millisecond) // let what belongs together come together
	}
}

// writeStatus patches the status subresource if there is a difference.
func (r *podRun) writeStatus(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	pod := r.current()
	r.mu.Lock()
	view := r.view
	r.mu.Unlock()
	var all []containerView
	for _, c := range r.all() {
		all = append(all, containerView{c.spec, c.role, c.snapshot()})
	}
	status := podStatus(pod, view, r.k.opts.NodeIPs, all, metav1.Now())
	patch, err := statusPatch(pod, status)
	if err != nil || patch == nil {
		return err
	}
	fresh, err := r.k.client.CoreV1().Pods(pod.Namespace).
		Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) { // gone, or another pod of this name
		return nil
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	if fresh.UID == r.uid && newer(fresh, r.pod) {
		r.pod = fresh
	}
	r.mu.Unlock()
	return nil
}

// newer compares resource versions, which count up within one API server.
func newer(a, b *v1.Pod) bool {
	return len(a.ResourceVersion) > len(b.ResourceVersion) ||
		len(a.ResourceVersion) == len(b.ResourceVersion) && a.ResourceVersion > b.ResourceVersion
}

// statusPatch is the difference between a pod's old and new status, bound to
// the pod's UID; nil when there is none.
func statusPatch(pod *v1.Pod, status v1.PodStatus) ([]byte, error) {
	before, err := json.Marshal(v1.Pod{Status: pod.Status})
	if err != nil {
		return nil, err
	}
	after, err := json.Marshal(v1.Pod{Status: status})
	if err != nil {
		return nil, err
	}
	diff, err := strategicpatch.CreateTwoWayMergePatch(before, after, v1.Pod{})
	if err != nil {
		return nil, fmt.Errorf("compare two statuses: %w", err)
	}
	if string(diff) == "{}" {
		return nil, nil
	}
	var patch map[string]any
	if err := json.Unmarshal(diff, &patch); err != nil {
		return nil, err
	}
	patch["metadata"] = map[string]any{"uid": pod.UID}
	return json.Marshal(patch)
}

// remove deletes the object of a pod that has ended on this node.
func (k *kubelet) remove(r *podRun) {
	pod := r.current()
	now := int64(0)
	options := metav1.DeleteOptions{GracePeriodSeconds: &now, Preconditions: metav1.NewUIDPreconditions(string(r.uid))}
	for pause := 100 * time.Millisecond; k.ctx.Err() == nil; pause = min(2*pause, 2*time.Second) {
		ctx, cancel := context.WithTimeout(k.ctx, 5*time.Second)
		err := k.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, options)
		cancel()
		if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return
		}
		k.log("cannot delete the pod", "pod", r.name(), "err", err)
		select {
		case <-time.After(pause):
		case <-r.vanished:
			return
		case <-k.ctx.Done():
		}
	}
}
