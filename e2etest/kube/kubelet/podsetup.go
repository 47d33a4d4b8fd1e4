package kubelet

import (
	"context"
	"os"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
)

// prepare makes network, files and volumes, and tries again until it succeeds
// or the pod is to stop.
func (r *podRun) prepare() bool {
	pause := 100 * time.Millisecond
	r.touch()
	for {
		err := r.prepareOnce()
		if err == nil {
			return true
		}
		if r.stop.Err() == nil {
			r.k.event(r.current(), "", v1.EventTypeWarning, "FailedMount", "%v", err)
		}
		select {
		case <-r.stop.Done():
			return false
		case <-time.After(pause):
		}
		pause = min(2*pause, 2*time.Second)
	}
}

func (r *podRun) prepareOnce() error {
	pod := r.current()
	if err := r.connect(pod); err != nil {
		return err
	}
	if err := writeEtc(r.path("etc"), pod, r.hostname(), r.facts().podIPs, r.k.opts); err != nil {
		return err
	}
	if r.volumes == nil {
		for _, ref := range refs(pod) {
			r.k.objects.hold(ref)
		}
		src := &sources{pod: pod, facts: r.facts(), nodes: r.k.capacity(), get: r.k.objects.get, tokens: r.k.tokens}
		r.volumes = &volumes{dir: r.path("volumes"), opts: r.k.opts, sources: src, written: map[string]string{}}
	}
	if err := r.volumes.setUp(r.stop, pod); err != nil {
		return err
	}
	r.volumes.busy.Add(1)
	go r.volumes.follow(r.stop, r.current)
	return nil
}

// connect gives the pod its network once.
func (r *podRun) connect(pod *v1.Pod) error {
	if pod.Spec.HostNetwork {
		r.setView(func(v *podView) { v.podIPs, v.sandboxed = r.k.opts.NodeIPs, true })
		return nil
	}
	r.mu.Lock()
	done := r.sandbox != nil
	r.mu.Unlock()
	if done {
		return nil
	}
	network, err := r.k.network(r.stop)
	if err != nil {
		return err
	}
	sandbox, err := network.Add(string(r.uid), podSysctls(pod))
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.sandbox = &sandbox
	r.mu.Unlock()
	r.setView(func(v *podView) { v.podIPs, v.sandboxed = sandbox.Addrs, true })
	return nil
}

func (r *podRun) disconnect() {
	r.mu.Lock()
	sandbox := r.sandbox
	r.sandbox = nil
	r.mu.Unlock()
	if sandbox == nil {
		return
	}
	network, err := r.k.network(context.Background())
	if err == nil {
		err = network.Remove(*sandbox)
	}
	if err != nil {
		r.k.log("cannot remove the pod's network", "pod", r.name(), "err", err)
	}
	r.setView(func(v *podView) { v.sandboxed = false })
}

// cleanUp ends the pod on the node, then in the API.
func (r *podRun) cleanUp() {
	for _, ref := range refs(r.current()) {
		if r.volumes != nil {
			r.k.objects.release(ref)
		}
	}
	r.k.tokens.forget(r.uid)
	if r.volumes != nil {
		if err := r.volumes.tearDown(); err != nil {
			r.k.log("cannot remove the pod's volumes", "pod", r.name(), "err", err)
		}
	}
	os.RemoveAll(r.path())
	if r.current().DeletionTimestamp != nil {
		r.k.remove(r)
	}
}

// podSysctls are the pod's own settings, keys as below /proc/sys.
func podSysctls(pod *v1.Pod) map[string]string {
	out := map[string]string{}
	if sc := pod.Spec.SecurityContext; sc != nil {
		for _, s := range sc.Sysctls {
			out[strings.ReplaceAll(s.Name, ".", "/")] = s.Value
		}
	}
	return out
}
