package kubelet

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// view makes containers from words: role:state, states being waiting, running,
// ready, ok (ended with 0), bad (ended with 1) and loop (waiting to restart).
func view(words string) []containerView {
	var out []containerView
	for _, word := range strings.Fields(words) {
		kind, what, _ := strings.Cut(word, ":")
		c := containerView{role: map[string]role{"main": mainRole, "init": initRole, "side": sidecarRole}[kind]}
		c.spec.Name = word
		bad := &v1.ContainerStateTerminated{ExitCode: 1}
		switch what {
		case "waiting":
			c.state.waiting = &v1.ContainerStateWaiting{}
		case "loop":
			c.state.waiting, c.state.last = &v1.ContainerStateWaiting{}, bad
		case "running", "ready":
			c.state.running, c.state.started, c.state.ready = &v1.ContainerStateRunning{}, true, what == "ready"
		case "ok":
			c.state.terminated = &v1.ContainerStateTerminated{}
		case "bad":
			c.state.terminated = bad
		}
		out = append(out, c)
	}
	return out
}

func TestPhaseAndReady(t *testing.T) {
	for _, c := range []struct {
		containers string
		view       podView
		want       string // phase and Ready
	}{
		{"main:waiting", podView{}, "Pending False"},
		{"init:running main:waiting", podView{}, "Pending False"},
		{"init:ok main:ready", podView{initialized: true}, "Running True"},
		{"main:ready main:running", podView{initialized: true}, "Running False"},
		{"main:ready main:waiting", podView{initialized: true}, "Pending False"},
		{"main:ready main:loop", podView{initialized: true}, "Running False"},
		{"side:ready main:ready", podView{initialized: true}, "Running True"},
		{"side:running main:ready", podView{initialized: true}, "Running False"},
		{"main:ok main:bad", podView{initialized: true, ended: true}, "Failed False"},
		{"side:bad main:ok", podView{initialized: true, ended: true}, "Succeeded False"},
		{"init:bad main:waiting", podView{ended: true}, "Failed False"},
		{"main:waiting", podView{ended: true, terminating: true}, "Failed False"},
		{"main:ready", podView{initialized: true, terminating: true}, "Running True"},
	} {
		s := podStatus(&v1.Pod{}, c.view, nil, view(c.containers), metav1.Now())
		got := string(s.Phase) + " "
		for _, x := range s.Conditions {
			if x.Type == v1.PodReady {
				got += string(x.Status)
			}
		}
		if got != c.want {
			t.Errorf("%s %+v: got %s, want %s", c.containers, c.view, got, c.want)
		}
	}
}

func TestStatusKeepsWhatIsOthers(t *testing.T) {
	then, now := metav1.NewTime(time.Unix(1000, 0)), metav1.NewTime(time.Unix(2000, 0))
	pod := &v1.Pod{
		Spec: v1.PodSpec{ReadinessGates: []v1.PodReadinessGate{{ConditionType: "example.com/gate"}}},
		Status: v1.PodStatus{Conditions: []v1.PodCondition{
			{Type: v1.PodScheduled, Status: v1.ConditionTrue, LastTransitionTime: then},
			{Type: v1.ContainersReady, Status: v1.ConditionTrue, LastTransitionTime: then},
			{Type: v1.PodReady, Status: v1.ConditionTrue, LastTransitionTime: then},
			{Type: "example.com/gate", Status: v1.ConditionFalse, LastTransitionTime: then},
		}},
	}
	ip := netip.MustParseAddr("10.244.0.2")
	s := podStatus(pod, podView{initialized: true, podIPs: []netip.Addr{ip}}, nil, view("main:ready"), now)
	got := map[v1.PodConditionType]v1.PodCondition{}
	for _, c := range s.Conditions {
		got[c.Type] = c
	}
	if c := got[v1.PodScheduled]; c.Status != v1.ConditionTrue || !c.LastTransitionTime.Equal(&then) {
		t.Errorf("PodScheduled: %+v", c)
	}
	if c := got[v1.ContainersReady]; c.Status != v1.ConditionTrue || !c.LastTransitionTime.Equal(&then) {
		t.Errorf("ContainersReady moved without a change: %+v", c)
	}
	if c := got[v1.PodReady]; c.Status != v1.ConditionFalse || c.Reason != "ReadinessGatesNotReady" || !c.LastTransitionTime.Equal(&now) {
		t.Errorf("Ready with a closed gate: %+v", c)
	}
	if s.PodIP != "10.244.0.2" {
		t.Errorf("podIP %q", s.PodIP)
	}
	patch, err := statusPatch(pod, pod.Status)
	if err != nil || patch != nil {
		t.Errorf("a patch for no change: %s, %v", patch, err)
	}
}

// A pod that has ended may be seen anew, while a finalizer keeps its object.
func TestEndedPodSeenAnewKeepsItsStatus(t *testing.T) {
	ended := func(message string) v1.ContainerState {
		return v1.ContainerState{Terminated: &v1.ContainerStateTerminated{Message: message}}
	}
	pod := &v1.Pod{}
	pod.Spec.Containers = []v1.Container{{Name: "main"}}
	pod.Status.Phase = v1.PodSucceeded
	pod.Status.ContainerStatuses = []v1.ContainerStatus{
		{Name: "main", State: ended("last words"), ContainerID: "lab://1", ImageID: "web", RestartCount: 2},
	}
	r := newPodRun(&kubelet{opts: &Options{}}, pod)
	got := containerStatus(containerView{r.mains[0].spec, mainRole, r.mains[0].snapshot()})
	got.Started = nil
	if want := pod.Status.ContainerStatuses[0]; !equality.Semantic.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
