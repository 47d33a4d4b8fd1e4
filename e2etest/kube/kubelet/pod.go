package kubelet

import (
	"context"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/steelyard-lb/steelyard/e2etest/kube/kubelet/podnet"
)

// podRun is the life of one pod on this node. live runs it from top to bottom
// in a goroutine of its own.
type podRun struct {
	k   *kubelet
	uid types.UID

	stop     context.Context // ends when the pod shall stop, whatever the reason
	stopNow  context.CancelFunc
	hard     context.Context // ends when the pod's grace is over
	killNow  context.CancelFunc
	vanished chan struct{} // closed when the object is gone from the API
	changed  chan struct{} // one slot: the status has to be written
	over     chan struct{} // closed when live has ended

	inits, mains []*container

	mu       sync.Mutex
	pod      *v1.Pod
	grace    *int64      // seconds, of the deletion that is under way
	deadline *time.Timer // fires killNow
	sandbox  *podnet.Sandbox
	volumes  *volumes
	view     podView
	gone     bool // vanished is closed
}

func newPodRun(k *kubelet, pod *v1.Pod) *podRun {
	r := &podRun{
		k: k, uid: pod.UID, pod: pod,
		vanished: make(chan struct{}), changed: make(chan struct{}, 1), over: make(chan struct{}),
	}
	r.stop, r.stopNow = context.WithCancel(context.Background())
	r.hard, r.killNow = context.WithCancel(context.Background())
	r.view.started = metav1.Now()
	if pod.Status.StartTime != nil {
		r.view.started = *pod.Status.StartTime
	}
	for i, spec := range pod.Spec.InitContainers {
		kind := initRole
		if spec.RestartPolicy != nil && *spec.RestartPolicy == v1.ContainerRestartPolicyAlways {
			kind = sidecarRole
		}
		r.inits = append(r.inits, r.newContainer(spec, kind, i, pod.Status.InitContainerStatuses))
	}
	for i, spec := range pod.Spec.Containers {
		r.mains = append(r.mains, r.newContainer(spec, mainRole, i, pod.Status.ContainerStatuses))
	}
	return r
}

// newContainer takes over what the status says of an earlier run: that run died
// with the kubelet that started it.
func (r *podRun) newContainer(spec v1.Container, kind role, index int, earlier []v1.ContainerStatus) *container {
	c := &container{pod: r, spec: spec, role: kind, index: index}
	c.back = backoff{base: r.k.opts.BackoffBase, max: r.k.opts.BackoffMax}
	reason := "ContainerCreating"
	if len(r.pod.Spec.InitContainers) > 0 {
		reason = "PodInitializing"
	}
	c.state.waiting = &v1.ContainerStateWaiting{Reason: reason}
	for _, s := range earlier {
		if s.Name != spec.Name {
			continue
		}
		c.state.restarts, c.state.last = s.RestartCount, s.LastTerminationState.Terminated
		switch {
		case s.State.Terminated != nil && finished(r.pod): // only its object is left
			c.state.id, c.state.imageID = s.ContainerID, s.ImageID
			c.state.waiting, c.state.terminated, c.state.last = nil, s.State.Terminated, s.State.Terminated
		case s.State.Terminated != nil:
			c.state.last = s.State.Terminated
		case s.State.Running != nil:
			c.state.last = &v1.ContainerStateTerminated{
				ExitCode: 137, Reason: "ContainerStatusUnknown", ContainerID: s.ContainerID,
				Message:   "The container died with the kubelet that ran it",
				StartedAt: s.State.Running.StartedAt, FinishedAt: metav1.Now(),
			}
		}
	}
	return c
}

// live is the whole life of the pod.
func (r *podRun) live() {
	defer close(r.over)
	defer r.stopNow()
	defer r.killNow()
	published := make(chan struct{})
	quit := make(chan struct{})
	go func() { r.publish(quit); close(published) }()
	if !finished(r.current()) {
		if r.prepare() {
			r.runContainers()
		}
		r.setView(func(v *podView) { v.ended = true })
		r.disconnect()
	}
	r.touch()
	select { // a pod that finished by itself stays until somebody deletes it
	case <-r.stop.Done():
	case <-r.vanished:
	}
	close(quit)
	<-published
	r.cleanUp()
}

// finished says whether the API knows the pod as done for good.
func finished(pod *v1.Pod) bool {
	return pod.Status.Phase == v1.PodSucceeded || pod.Status.Phase == v1.PodFailed
}

// runContainers runs the init containers in order, then the main ones, and
// stops the sidecars last, in reverse.
func (r *podRun) runContainers() {
	var stops []func()
	defer func() {
		for i := len(stops) - 1; i >= 0; i-- {
			stops[i]()
		}
	}()
	for _, c := range r.inits {
		if c.role == sidecarRole {
			stops = append(stops, c.background())
			if !r.awaitStarted(c) {
				return
			}
			continue
		}
		if !c.run(r.stop) {
			return
		}
	}
	r.setView(func(v *podView) { v.initialized = true })
	var all sync.WaitGroup
	for _, c := range r.mains {
		all.Go(func() { c.run(r.stop) })
	}
	all.Wait()
}

// background runs a sidecar; the function returned stops it and waits.
func (c *container) background() func() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

func (r *podRun) awaitStarted(c *container) bool {
	for !c.snapshot().started {
		select {
		case <-r.stop.Done():
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	return true
}

// update takes a newer version of the object.
func (r *podRun) update(pod *v1.Pod) {
	r.mu.Lock()
	r.pod = pod
	r.mu.Unlock()
	if pod.DeletionTimestamp != nil {
		r.terminate(pod)
	}
	r.touch()
}

// terminate starts the pod's grace, or shortens it. It counts from now: the
// deletion timestamp has whole seconds only, which would cost short graces half.
func (r *podRun) terminate(pod *v1.Pod) {
	grace := int64(0)
	if pod.DeletionGracePeriodSeconds != nil {
		grace = *pod.DeletionGracePeriodSeconds
	}
	r.mu.Lock()
	known := r.grace != nil && *r.grace <= grace
	r.grace = &grace
	r.mu.Unlock()
	if !known {
		r.expire(time.Now().Add(time.Duration(grace) * time.Second))
	}
}

// expire makes the pod stop, with the time until then as its grace.
func (r *podRun) expire(at time.Time) {
	r.setView(func(v *podView) { v.terminating = true })
	r.mu.Lock()
	left := max(0, time.Until(at))
	if r.deadline == nil {
		r.deadline = time.AfterFunc(left, r.killNow)
	} else {
		r.deadline.Reset(left)
	}
	r.mu.Unlock()
	r.stopNow()
}

// vanish is what happens when the object is gone, by a forced deletion or
// because this kubelet removed it.
func (r *podRun) vanish() {
	r.mu.Lock()
	if !r.gone {
		r.gone = true
		close(r.vanished)
	}
	r.mu.Unlock()
	r.expire(time.Now().Add(time.Second))
}
