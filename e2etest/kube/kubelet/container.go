package kubelet

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// role of a container in its pod.
type role int

const (
	mainRole    role = iota
	initRole         // runs to completion before the next
	sidecarRole      // an init container that keeps running
)

// container keeps one container of a pod running, as its restart policy says.
type container struct {
	pod   *podRun
	spec  v1.Container
	role  role
	index int // among the containers of its kind
	back  backoff

	mu    sync.Mutex
	state containerState
	box   *running
}

// containerState is what the status shows.
type containerState struct {
	waiting    *v1.ContainerStateWaiting
	running    *v1.ContainerStateRunning
	terminated *v1.ContainerStateTerminated
	last       *v1.ContainerStateTerminated
	restarts   int32
	ready      bool
	started    bool
	id         string
	imageID    string
	runs       int // starts since the kubelet began, for the names of logs
}

func (c *container) snapshot() containerState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// set changes the state and tells the pod's status writer.
func (c *container) set(change func(*containerState)) {
	c.mu.Lock()
	change(&c.state)
	c.mu.Unlock()
	c.pod.touch()
}

func (c *container) wait(reason, message string) {
	c.set(func(s *containerState) {
		s.waiting = &v1.ContainerStateWaiting{Reason: reason, Message: message}
		s.running, s.terminated, s.ready, s.started = nil, nil, false, false
	})
}

// policy is the container's own restart policy or the pod's.
func (c *container) policy() v1.RestartPolicy {
	if c.spec.RestartPolicy != nil {
		return v1.RestartPolicy(*c.spec.RestartPolicy)
	}
	policy := c.pod.current().Spec.RestartPolicy
	if c.role == initRole && policy == v1.RestartPolicyAlways {
		return v1.RestartPolicyOnFailure // success is the end of an init container
	}
	return policy
}

// run keeps the container going until stop ends or the policy says that it is
// finished. It reports whether the container ended with success by itself.
func (c *container) run(stop context.Context) bool {
	for {
		began := time.Now()
		fault := c.once(stop)
		if stop.Err() != nil {
			c.endWaiting()
			return false
		}
		if fault == nil {
			code := c.snapshot().terminated.ExitCode
			if p := c.policy(); p == v1.RestartPolicyNever || p == v1.RestartPolicyOnFailure && code == 0 {
				return code == 0
			}
		}
		pause := c.back.after(time.Since(began))
		if fault == nil {
			c.wait("CrashLoopBackOff", fmt.Sprintf("back-off %v restarting failed container=%s pod=%s",
				pause, c.spec.Name, c.pod.name()))
			c.warn("BackOff", "Back-off restarting failed container %s in pod %s", c.spec.Name, c.pod.name())
		}
		select {
		case <-stop.Done():
			c.endWaiting()
			return false
		case <-time.After(pause):
		}
	}
}

// endWaiting shows a container that will not start any more as what it was last.
func (c *container) endWaiting() {
	c.set(func(s *containerState) {
		if s.waiting != nil && s.last != nil {
			s.terminated, s.waiting = s.last, nil
		}
	})
}

// once starts the container and attends it until it has ended. A container
// that could not be started is a fault, and its state says why.
func (c *container) once(stop context.Context) error {
	r, err := c.launch(stop)
	if err != nil {
		return err
	}
	c.attend(stop, r)
	<-r.proc.done
	r.finishLogs()
	c.ended(r)
	return nil
}

// attend watches one run: health, the wish to stop, the end.
func (c *container) attend(stop context.Context, r *running) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	sick := make(chan string, 1)
	alive, stopChecks := context.WithCancel(ctx)
	defer stopChecks()
	go c.care(ctx, alive, r, sick)
	select {
	case <-r.proc.done:
	case why := <-sick:
		c.event("Killing", "%s", why)
		grace := c.grace()
		hard, done := context.WithTimeout(context.Background(), grace)
		defer done()
		c.terminate(r, hard)
	case <-stop.Done():
		stopChecks() // readiness goes on: a terminating pod may still serve
		c.event("Killing", "Stopping container %s", c.spec.Name)
		c.terminate(r, c.pod.hard)
	}
}

// grace is the time that a container gets when a probe has failed.
func (c *container) grace() time.Duration {
	for _, p := range []*v1.Probe{c.spec.LivenessProbe, c.spec.StartupProbe} {
		if p != nil && p.TerminationGracePeriodSeconds != nil {
			return time.Duration(*p.TerminationGracePeriodSeconds) * time.Second
		}
	}
	if g := c.pod.current().Spec.TerminationGracePeriodSeconds; g != nil {
		return time.Duration(*g) * time.Second
	}
	return 30 * time.Second
}

// terminate ends the container in order: preStop hook, SIGTERM, and SIGKILL
// when hard ends. The kill takes the whole PID namespace with it.
func (c *container) terminate(r *running, hard context.Context) {
	if h := c.spec.Lifecycle; h != nil && h.PreStop != nil {
		hooked, cancel := context.WithCancel(hard)
		go func() { // no hook outlives its container
			select {
			case <-r.proc.done:
				cancel()
			case <-hooked.Done():
			}
		}()
		if err := c.hook(hooked, r, h.PreStop); err != nil && hooked.Err() == nil {
			c.warn("FailedPreStopHook", "PreStopHook failed: %v", err)
		}
		cancel()
	}
	r.proc.signal(syscall.SIGTERM)
	select {
	case <-r.proc.done:
		return
	case <-hard.Done():
	}
	r.proc.signal(syscall.SIGKILL)
	<-r.proc.done
}

// ended records how a run ended.
func (c *container) ended(r *running) {
	code, sig := r.proc.exitCode()
	reason := "Error"
	if code == 0 {
		reason = "Completed"
	}
	c.mu.Lock()
	c.box = nil
	c.mu.Unlock()
	c.set(func(s *containerState) {
		s.terminated = &v1.ContainerStateTerminated{
			ExitCode: code, Signal: sig, Reason: reason, Message: r.lastWords(&c.spec, code),
			StartedAt: r.began, FinishedAt: metav1.Now(), ContainerID: s.id,
		}
		s.last = s.terminated
		s.running, s.waiting, s.ready, s.started = nil, nil, false, false
	})
}

func (c *container) logDir() string {
	return filepath.Join(c.pod.logDir(), c.spec.Name)
}

// process returns the running process and its surroundings, or nil.
func (c *container) process() *running {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.box
}

func (c *container) fieldPath() string {
	if c.role == mainRole {
		return "spec.containers{" + c.spec.Name + "}"
	}
	return "spec.initContainers{" + c.spec.Name + "}"
}

func (c *container) event(reason, format string, args ...any) {
	c.pod.k.event(c.pod.current(), c.fieldPath(), v1.EventTypeNormal, reason, format, args...)
}

func (c *container) warn(reason, format string, args ...any) {
	c.pod.k.event(c.pod.current(), c.fieldPath(), v1.EventTypeWarning, reason, format, args...)
}
