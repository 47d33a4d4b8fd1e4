package kubelet

import (
	"context"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
)

// tracker counts results of one probe in a row. Its zero value is not usable;
// see newTracker.
type tracker struct {
	success, failure int // thresholds
	last             bool
	run              int // results in a row that equal last
	verdict          bool
}

// newTracker starts with a verdict that holds until a threshold is reached.
func newTracker(p *v1.Probe, verdict bool) *tracker {
	return &tracker{success: max(1, int(p.SuccessThreshold)), failure: max(1, int(p.FailureThreshold)), verdict: verdict}
}

// add takes a result and returns the verdict. failed says that this very
// result completed a series of failures.
func (t *tracker) add(ok bool) (verdict, failed bool) {
	if t.run == 0 || ok != t.last {
		t.last, t.run = ok, 0
	}
	t.run++
	switch {
	case ok && t.run >= t.success:
		t.verdict = true
	case !ok && t.run >= t.failure:
		t.verdict = false
		return false, true
	}
	return t.verdict, false
}

// care is what happens beside a running container: the postStart hook, then
// the probes. alive ends before ctx does when the container is told to stop:
// from then on only readiness is looked at. The reason to kill the container
// goes to sick.
func (c *container) care(ctx, alive context.Context, r *running, sick chan<- string) {
	if h := c.spec.Lifecycle; h != nil && h.PostStart != nil {
		if err := c.hook(alive, r, h.PostStart); err != nil && alive.Err() == nil {
			c.warn("FailedPostStartHook", "PostStartHook failed: %v", err)
			sick <- "FailedPostStartHook"
			return
		}
	}
	if p := c.spec.StartupProbe; p != nil && !c.awaitStartup(alive, r, p, sick) {
		return
	}
	if ctx.Err() != nil {
		return
	}
	c.set(func(s *containerState) {
		s.started = s.running != nil
		s.ready = s.started && c.spec.ReadinessProbe == nil
	})
	if p := c.spec.LivenessProbe; p != nil {
		go c.watchLiveness(alive, r, p, sick)
	}
	if p := c.spec.ReadinessProbe; p != nil {
		c.watchReadiness(ctx, r, p)
	}
}

func (c *container) awaitStartup(ctx context.Context, r *running, p *v1.Probe, sick chan<- string) bool {
	t := newTracker(p, false)
	started := false
	c.repeat(ctx, r, "Startup", p, func(ok bool) bool {
		verdict, failed := t.add(ok)
		if failed {
			sick <- fmt.Sprintf("Container %s failed startup probe, will be restarted", c.spec.Name)
		}
		started = verdict
		return !verdict && !failed
	})
	return started
}

func (c *container) watchLiveness(ctx context.Context, r *running, p *v1.Probe, sick chan<- string) {
	t := newTracker(p, true)
	c.repeat(ctx, r, "Liveness", p, func(ok bool) bool {
		_, failed := t.add(ok)
		if failed {
			select {
			case sick <- fmt.Sprintf("Container %s failed liveness probe, will be restarted", c.spec.Name):
			default:
			}
		}
		return !failed
	})
}

func (c *container) watchReadiness(ctx context.Context, r *running, p *v1.Probe) {
	t := newTracker(p, false)
	c.repeat(ctx, r, "Readiness", p, func(ok bool) bool {
		verdict, _ := t.add(ok)
		if c.snapshot().ready != verdict {
			c.set(func(s *containerState) { s.ready = verdict && s.running != nil })
		}
		return true
	})
}

// repeat probes at the probe's pace until ctx ends or use returns false.
func (c *container) repeat(ctx context.Context, r *running, kind string, p *v1.Probe, use func(bool) bool) {
	timer := time.NewTimer(time.Duration(p.InitialDelaySeconds) * time.Second)
	defer timer.Stop()
	period := time.Duration(max(1, p.PeriodSeconds)) * time.Second
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := c.check(ctx, r, p)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			c.warn("Unhealthy", "%s probe failed: %v", kind, err)
		}
		if !use(err == nil) {
			return
		}
		timer.Reset(c.pace(kind, period, err == nil))
	}
}

// pace is the time to the next probe. A container that is not ready yet is
// looked at more often at first, so that a lab need not wait whole periods.
func (c *container) pace(kind string, period time.Duration, ok bool) time.Duration {
	if s := c.snapshot(); !ok && kind == "Readiness" && s.running != nil && time.Since(s.running.StartedAt.Time) < 5*time.Second {
		return min(period, 250*time.Millisecond)
	}
	return period
}

// check runs a probe once; nil means success.
func (c *container) check(ctx context.Context, r *running, p *v1.Probe) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(max(1, p.TimeoutSeconds))*time.Second)
	defer cancel()
	switch {
	case p.Exec != nil:
		return c.execOnce(ctx, r, p.Exec.Command)
	case p.HTTPGet != nil:
		return httpCheck(ctx, p.HTTPGet, c.spec.Ports, c.pod.probeHost())
	case p.TCPSocket != nil:
		return tcpCheck(ctx, p.TCPSocket, c.spec.Ports, c.pod.probeHost())
	case p.GRPC != nil:
		return grpcCheck(ctx, p.GRPC, c.pod.probeHost())
	}
	return nil
}

// hook runs a postStart or preStop handler.
func (c *container) hook(ctx context.Context, r *running, h *v1.LifecycleHandler) error {
	switch {
	case h.Exec != nil:
		return c.execOnce(ctx, r, h.Exec.Command)
	case h.HTTPGet != nil:
		return httpCheck(ctx, h.HTTPGet, c.spec.Ports, c.pod.probeHost())
	case h.TCPSocket != nil:
		return tcpCheck(ctx, h.TCPSocket, c.spec.Ports, c.pod.probeHost())
	case h.Sleep != nil:
		select {
		case <-time.After(time.Duration(h.Sleep.Seconds) * time.Second):
		case <-ctx.Done():
		}
	}
	return nil
}
