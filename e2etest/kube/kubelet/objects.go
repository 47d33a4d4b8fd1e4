package kubelet

import (
	"context"
	"fmt"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

// ref names a Secret or ConfigMap.
type ref struct {
	kind, namespace, name string
}

const (
	secretKind    = "secret"
	configMapKind = "configmap"
)

// data is the content of a Secret or ConfigMap; nil means that there is none.
type data map[string][]byte

// objects keeps the Secrets and ConfigMaps that pods of this node use, each by
// a watch of its own: a node may not list more than what its pods name. An
// entry lives as long as some pod holds it.
type objects struct {
	ctx    context.Context
	client kubernetes.Interface

	mu      sync.Mutex
	entries map[ref]*entry
}

type entry struct {
	users  int
	stop   context.CancelFunc
	loaded chan struct{} // closed when content is known
	data   data
}

func newObjects(ctx context.Context, client kubernetes.Interface) *objects {
	return &objects{ctx: ctx, client: client, entries: map[ref]*entry{}}
}

// hold begins to watch an object, or shares the watch.
func (o *objects) hold(r ref) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e := o.entries[r]; e != nil {
		e.users++
		return
	}
	ctx, stop := context.WithCancel(o.ctx)
	e := &entry{users: 1, stop: stop, loaded: make(chan struct{})}
	o.entries[r] = e
	go o.follow(ctx, r, e)
}

// release ends one use.
func (o *objects) release(r ref) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := o.entries[r]
	if e == nil {
		return
	}
	if e.users--; e.users == 0 {
		e.stop()
		delete(o.entries, r)
	}
}

// get waits for the first answer of the API server and returns the content as
// it is now; nil, without an error, when the object does not exist.
func (o *objects) get(ctx context.Context, r ref) (data, error) {
	o.mu.Lock()
	e := o.entries[r]
	o.mu.Unlock()
	if e == nil {
		return nil, fmt.Errorf("%s %q is not held", r.kind, r.name)
	}
	select {
	case <-e.loaded:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for %s %q: %w", r.kind, r.name, ctx.Err())
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return e.data, nil
}

func (o *objects) put(e *entry, d data) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e.data = d
	select {
	case <-e.loaded:
	default:
		close(e.loaded)
	}
}

// follow reads and watches until ctx ends. A new pod's right to its Secrets
// takes some milliseconds to reach the authorizer, so the first pauses are short.
func (o *objects) follow(ctx context.Context, r ref, e *entry) {
	pause := 20 * time.Millisecond
	for ctx.Err() == nil {
		version, err := o.read(ctx, r, e)
		if err == nil {
			pause = 20 * time.Millisecond
			o.watch(ctx, r, e, version)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, 2*time.Second)
	}
}

func (o *objects) read(ctx context.Context, r ref, e *entry) (string, error) {
	version, d, err := o.fetch(ctx, r)
	if apierrors.IsNotFound(err) {
		o.put(e, nil)
		return "", nil
	}
	if err != nil {
		return "", err
	}
	o.put(e, d)
	return version, nil
}

func (o *objects) fetch(ctx context.Context, r ref) (string, data, error) {
	if r.kind == secretKind {
		s, err := o.client.CoreV1().Secrets(r.namespace).Get(ctx, r.name, metav1.GetOptions{})
		if err != nil {
			return "", nil, err
		}
		return s.ResourceVersion, content(s), nil
	}
	c, err := o.client.CoreV1().ConfigMaps(r.namespace).Get(ctx, r.name, metav1.GetOptions{})
	if err != nil {
		return "", nil, err
	}
	return c.ResourceVersion, content(c), nil
}

// watch follows changes until the API server ends the watch.
func (o *objects) watch(ctx context.Context, r ref, e *entry, version string) {
	options := metav1.ListOptions{FieldSelector: "metadata.name=" + r.name, ResourceVersion: version}
	var w watch.Interface
	var err error
	if r.kind == secretKind {
		w, err = o.client.CoreV1().Secrets(r.namespace).Watch(ctx, options)
	} else {
		w, err = o.client.CoreV1().ConfigMaps(r.namespace).Watch(ctx, options)
	}
	if err != nil {
		return
	}
	defer w.Stop()
	for event := range w.ResultChan() {
		switch event.Type {
		case watch.Added, watch.Modified:
			o.put(e, content(event.Object))
		case watch.Deleted:
			o.put(e, nil)
		case watch.Error:
			return
		}
	}
}

func content(object any) data {
	d := data{}
	switch x := object.(type) {
	case *v1.Secret:
		for k, v := range x.Data {
			d[k] = v
		}
	case *v1.ConfigMap:
		for k, v := range x.Data {
			d[k] = []byte(v)
		}
		for k, v := range x.BinaryData {
			d[k] = v
		}
	}
	return d
}

// refs lists every Secret and ConfigMap that a pod names.
func refs(pod *v1.Pod) []ref {
	var out []ref
	add := func(kind, name string) { out = append(out, ref{kind, pod.Namespace, name}) }
	for _, c := range allContainers(pod) {
		for _, from := range c.EnvFrom {
			if from.SecretRef != nil {
				add(secretKind, from.SecretRef.Name)
			}
			if from.ConfigMapRef != nil {
				add(configMapKind, from.ConfigMapRef.Name)
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				add(secretKind, e.ValueFrom.SecretKeyRef.Name)
			}
			if e.ValueFrom != nil && e.ValueFrom.ConfigMapKeyRef != nil {
				add(configMapKind, e.ValueFrom.ConfigMapKeyRef.Name)
			}
		}
	}
	for _, v := range pod.Spec.Volumes {
		if v.Secret != nil {
			add(secretKind, v.Secret.SecretName)
		}
		if v.ConfigMap != nil {
			add(configMapKind, v.ConfigMap.Name)
		}
		if v.Projected == nil {
			continue
		}
		for _, s := range v.Projected.Sources {
			if s.Secret != nil {
				add(secretKind, s.Secret.Name)
			}
			if s.ConfigMap != nil {
				add(configMapKind, s.ConfigMap.Name)
			}
		}
	}
	return out
}

// allContainers are the init containers, then the main ones.
func allContainers(pod *v1.Pod) []v1.Container {
	return append(append([]v1.Container{}, pod.Spec.InitContainers...), pod.Spec.Containers...)
}
