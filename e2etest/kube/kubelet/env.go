package kubelet

import (
	"context"
	"fmt"
	"sort"

	v1 "k8s.io/api/core/v1"
)

// lookup returns the content of a Secret or ConfigMap, nil when it is missing.
type lookup func(ctx context.Context, r ref) (data, error)

// environment computes the variables of a container as a map, and as KEY=value
// in the order: image, Kubernetes, envFrom, env. Later ones may name earlier
// ones by $(NAME).
type environment struct {
	pod   *v1.Pod
	facts facts
	nodes v1.ResourceList // the node's capacity
	get   lookup

	vars map[string]string
}

func (e *environment) build(ctx context.Context, c *v1.Container, base map[string]string) (map[string]string, error) {
	e.vars = map[string]string{}
	for k, v := range base {
		e.vars[k] = v
	}
	for _, from := range c.EnvFrom {
		if err := e.addAll(ctx, from); err != nil {
			return nil, err
		}
	}
	for _, item := range c.Env {
		value, ok, err := e.value(ctx, c, item)
		if err != nil {
			return nil, err
		}
		if ok {
			e.vars[item.Name] = value
		}
	}
	return e.vars, nil
}

func (e *environment) addAll(ctx context.Context, from v1.EnvFromSource) error {
	var r ref
	var optional *bool
	switch {
	case from.SecretRef != nil:
		r, optional = ref{secretKind, e.pod.Namespace, from.SecretRef.Name}, from.SecretRef.Optional
	case from.ConfigMapRef != nil:
		r, optional = ref{configMapKind, e.pod.Namespace, from.ConfigMapRef.Name}, from.ConfigMapRef.Optional
	default:
		return nil
	}
	d, err := e.get(ctx, r)
	if err != nil {
		return err
	}
	if d == nil && !isTrue(optional) {
		return fmt.Errorf("%s %q not found", r.kind, r.name)
	}
	for k, v := range d {
		e.vars[from.Prefix+k] = string(v)
	}
	return nil
}

// value computes one variable; ok is false when an optional source is missing.
func (e *environment) value(ctx context.Context, c *v1.Container, item v1.EnvVar) (string, bool, error) {
	from := item.ValueFrom
	switch {
	case from == nil:
		return expand(item.Value, e.vars), true, nil
	case from.FieldRef != nil:
		value, err := field(e.pod, e.facts, from.FieldRef.FieldPath)
		return value, true, err
	case from.ResourceFieldRef != nil:
		value, err := resourceField(c, from.ResourceFieldRef, e.nodes)
		return value, true, err
	case from.SecretKeyRef != nil:
		s := from.SecretKeyRef
		return e.key(ctx, ref{secretKind, e.pod.Namespace, s.Name}, s.Key, isTrue(s.Optional))
	case from.ConfigMapKeyRef != nil:
		s := from.ConfigMapKeyRef
		return e.key(ctx, ref{configMapKind, e.pod.Namespace, s.Name}, s.Key, isTrue(s.Optional))
	}
	return "", false, fmt.Errorf("env %s: unsupported source", item.Name)
}

func (e *environment) key(ctx context.Context, r ref, key string, optional bool) (string, bool, error) {
	d, err := e.get(ctx, r)
	if err != nil {
		return "", false, err
	}
	value, ok := d[key]
	switch {
	case ok:
		return string(value), true, nil
	case optional:
		return "", false, nil
	case d == nil:
		return "", false, fmt.Errorf("%s %q not found", r.kind, r.name)
	default:
		return "", false, fmt.Errorf("couldn't find key %s in %s %s/%s", key, r.kind, r.namespace, r.name)
	}
}

// pairs is the form that exec takes, sorted so that two runs look alike.
func pairs(vars map[string]string) []string {
	out := make([]string, 0, len(vars))
	for k, v := range vars {
		out = append(out, k+"="+v)
	}
	sort.Strings(out)
	return out
}
