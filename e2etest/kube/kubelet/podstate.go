package kubelet

import (
	"fmt"
	"path/filepath"

	v1 "k8s.io/api/core/v1"
)

func (r *podRun) current() *v1.Pod {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pod
}

func (r *podRun) setView(change func(*podView)) {
	r.mu.Lock()
	change(&r.view)
	r.mu.Unlock()
	r.touch()
}

// touch asks for the status to be written soon.
func (r *podRun) touch() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

func (r *podRun) facts() facts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return facts{podIPs: r.view.podIPs, hostIPs: r.k.opts.NodeIPs}
}

// netns is the path of the pod's network namespace, empty for the node's.
func (r *podRun) netns() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sandbox == nil {
		return ""
	}
	return r.sandbox.Path
}

func (r *podRun) path(parts ...string) string {
	return filepath.Join(append([]string{r.k.opts.Dir, "pods", string(r.uid)}, parts...)...)
}

// logDir is outside of the pod's directory: logs stay when the pod is gone.
func (r *podRun) logDir() string {
	pod := r.current()
	return filepath.Join(r.k.opts.Dir, "log", fmt.Sprintf("%s_%s_%s", pod.Namespace, pod.Name, pod.UID))
}

func (r *podRun) name() string {
	pod := r.current()
	return pod.Name + "_" + pod.Namespace + "(" + string(pod.UID) + ")"
}

func (r *podRun) hostname() string {
	pod := r.current()
	name := pod.Name
	switch {
	case pod.Spec.HostNetwork:
		return r.k.opts.Node
	case pod.Spec.Hostname != "":
		name = pod.Spec.Hostname
	}
	return name[:min(len(name), 63)]
}

func (r *podRun) probeHost() string { return firstAddr(r.facts().podIPs) }

func (r *podRun) volume(name string) *v1.Volume {
	pod := r.current()
	for i := range pod.Spec.Volumes {
		if pod.Spec.Volumes[i].Name == name {
			return &pod.Spec.Volumes[i]
		}
	}
	return nil
}

func (r *podRun) fromAPI(name string) bool {
	v := r.volume(name)
	return v != nil && fromAPI(v)
}

func (r *podRun) volumePath(name string) (string, error) {
	v := r.volume(name)
	switch {
	case v == nil:
		return "", fmt.Errorf("no volume %q", name)
	case v.HostPath != nil:
		return r.volumes.machinePath(v.HostPath.Path), nil
	}
	return r.volumes.path(name), nil
}

// all returns every container of the pod.
func (r *podRun) all() []*container {
	return append(append([]*container{}, r.inits...), r.mains...)
}
