package kubelet

import (
	"fmt"
	"net/netip"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podView is what the node knows of a pod beside its containers.
type podView struct {
	started     metav1.Time
	podIPs      []netip.Addr
	sandboxed   bool // the network exists
	initialized bool // all init containers have done their part
	terminating bool
	ended       bool // no container will run any more
}

// containerView is a container as the status shows it.
type containerView struct {
	spec  v1.Container
	role  role
	state containerState
}

// podStatus derives the status of a pod. Conditions that others own are kept;
// a transition time changes only with the condition's status.
func podStatus(pod *v1.Pod, v podView, hostIPs []netip.Addr, all []containerView, now metav1.Time) v1.PodStatus {
	old := pod.Status
	s := *old.DeepCopy()
	s.StartTime = &v.started
	s.HostIP, s.HostIPs = firstAddr(hostIPs), nil
	for _, ip := range hostIPs {
		s.HostIPs = append(s.HostIPs, v1.HostIP{IP: ip.String()})
	}
	if len(v.podIPs) > 0 {
		s.PodIP, s.PodIPs = firstAddr(v.podIPs), nil
		for _, ip := range v.podIPs {
			s.PodIPs = append(s.PodIPs, v1.PodIP{IP: ip.String()})
		}
	}
	s.InitContainerStatuses, s.ContainerStatuses = nil, nil
	for _, c := range all {
		if c.role == mainRole {
			s.ContainerStatuses = append(s.ContainerStatuses, containerStatus(c))
		} else {
			s.InitContainerStatuses = append(s.InitContainerStatuses, containerStatus(c))
		}
	}
	s.Phase = phase(pod, v, all)
	s.ObservedGeneration = pod.Generation
	for _, c := range conditions(pod, v, s.Phase, all) {
		setCondition(&s, c, now)
	}
	return s
}

func containerStatus(c containerView) v1.ContainerStatus {
	st := c.state
	out := v1.ContainerStatus{
		Name: c.spec.Name, Image: c.spec.Image, ImageID: st.imageID, ContainerID: st.id,
		RestartCount: st.restarts, Ready: st.ready, Started: &st.started,
		State: v1.ContainerState{Waiting: st.waiting, Running: st.running, Terminated: st.terminated},
	}
	if c.role == initRole { // an init container is ready when it has done its work
		out.Ready = st.terminated != nil && st.terminated.ExitCode == 0
	}
	if st.terminated != st.last || st.terminated == nil {
		out.LastTerminationState.Terminated = st.last
	}
	return out
}

// phase follows the containers. A pod that is being deleted keeps counting as
// running until its containers have ended.
func phase(pod *v1.Pod, v podView, all []containerView) v1.PodPhase {
	if pod.Status.Phase == v1.PodSucceeded || pod.Status.Phase == v1.PodFailed {
		return pod.Status.Phase
	}
	mains, begun, failed := 0, 0, 0
	for _, c := range all {
		if c.role != mainRole {
			if v.ended && c.role == initRole && c.state.terminated != nil && c.state.terminated.ExitCode != 0 {
				failed++
			}
			continue
		}
		mains++
		if c.state.running != nil || c.state.terminated != nil || c.state.last != nil {
			begun++
		}
		if c.state.terminated != nil && c.state.terminated.ExitCode != 0 {
			failed++
		}
	}
	switch {
	case v.ended && failed > 0:
		return v1.PodFailed
	case v.ended && begun == mains:
		return v1.PodSucceeded
	case v.ended && v.terminating:
		return v1.PodFailed // deleted before it ran
	case v.initialized && begun == mains:
		return v1.PodRunning
	}
	return v1.PodPending
}

func conditions(pod *v1.Pod, v podView, p v1.PodPhase, all []containerView) []v1.PodCondition {
	done := p == v1.PodSucceeded
	ready := containersReady(v, p, all)
	initialized := condition(v1.PodInitialized, v.initialized || done)
	if !v.initialized && !done {
		initialized.Reason, initialized.Message = "ContainersNotInitialized", "containers with incomplete status: "+incomplete(all)
	}
	if done && len(pod.Spec.InitContainers) > 0 {
		initialized.Reason = "PodCompleted"
	}
	whole := ready
	whole.Type = v1.PodReady
	if whole.Status == v1.ConditionTrue {
		if missing := closedGates(pod); missing != "" {
			whole.Status, whole.Reason, whole.Message = v1.ConditionFalse, "ReadinessGatesNotReady", missing
		}
	}
	out := []v1.PodCondition{condition(v1.PodReadyToStartContainers, v.sandboxed), initialized, ready, whole}
	for i := range out {
		out[i].ObservedGeneration = pod.Generation
	}
	return out
}

// containersReady explains why not, as kubectl describe shows it.
func containersReady(v podView, p v1.PodPhase, all []containerView) v1.PodCondition {
	c := condition(v1.ContainersReady, false)
	switch p {
	case v1.PodSucceeded:
		c.Reason = "PodCompleted"
		return c
	case v1.PodFailed:
		c.Reason = "PodFailed"
		return c
	}
	var unready []string
	for _, x := range all {
		if x.role != initRole && !x.state.ready {
			unready = append(unready, x.spec.Name)
		}
	}
	if len(unready) > 0 || !v.initialized {
		c.Reason, c.Message = "ContainersNotReady", fmt.Sprintf("containers with unready status: %s", list(unready))
		return c
	}
	c.Status = v1.ConditionTrue
	return c
}

func incomplete(all []containerView) string {
	var names []string
	for _, c := range all {
		done := c.state.terminated != nil && c.state.terminated.ExitCode == 0
		if c.role == initRole && !done || c.role == sidecarRole && !c.state.started {
			names = append(names, c.spec.Name)
		}
	}
	return list(names)
}

func list(names []string) string { return "[" + strings.Join(names, " ") + "]" }

// closedGates names the readiness gates that are not true.
func closedGates(pod *v1.Pod) string {
	var out []string
	for _, gate := range pod.Spec.ReadinessGates {
		open := false
		for _, c := range pod.Status.Conditions {
			open = open || c.Type == gate.ConditionType && c.Status == v1.ConditionTrue
		}
		if !open {
			out = append(out, fmt.Sprintf("the status of pod readiness gate %q is not \"True\", but False", gate.ConditionType))
		}
	}
	return strings.Join(out, ", ")
}

func condition(t v1.PodConditionType, ok bool) v1.PodCondition {
	c := v1.PodCondition{Type: t, Status: v1.ConditionFalse}
	if ok {
		c.Status = v1.ConditionTrue
	}
	return c
}

func setCondition(s *v1.PodStatus, c v1.PodCondition, now metav1.Time) {
	c.LastTransitionTime = now
	for i := range s.Conditions {
		if s.Conditions[i].Type != c.Type {
			continue
		}
		if s.Conditions[i].Status == c.Status {
			c.LastTransitionTime = s.Conditions[i].LastTransitionTime
		}
		s.Conditions[i] = c
		return
	}
	s.Conditions = append(s.Conditions, c)
}
