package kubelet

import (
	"context"
	"errors"
	"fmt"
	"os"

	v1 "k8s.io/api/core/v1"
)

const (
	defaultFileMode  = 0o644
	defaultTokenPath = "/var/run/secrets/kubernetes.io/serviceaccount"
)

// errMissing reports an object that a volume needs and that does not exist.
var errMissing = errors.New("not found")

// sources computes the payloads of a pod's volumes.
type sources struct {
	pod    *v1.Pod
	facts  facts
	nodes  v1.ResourceList
	get    lookup
	tokens *tokens
}

// fromAPI says whether a volume's files come from the API.
func fromAPI(v *v1.Volume) bool {
	return v.Secret != nil || v.ConfigMap != nil || v.DownwardAPI != nil || v.Projected != nil
}

func (s *sources) payload(ctx context.Context, v *v1.Volume) (payload, error) {
	p := payload{}
	switch {
	case v.Secret != nil:
		src := v.Secret
		r := ref{secretKind, s.pod.Namespace, src.SecretName}
		return p, s.object(ctx, p, r, src.Items, mode(src.DefaultMode), isTrue(src.Optional))
	case v.ConfigMap != nil:
		src := v.ConfigMap
		r := ref{configMapKind, s.pod.Namespace, src.Name}
		return p, s.object(ctx, p, r, src.Items, mode(src.DefaultMode), isTrue(src.Optional))
	case v.DownwardAPI != nil:
		return p, s.downward(p, v.DownwardAPI.Items, mode(v.DownwardAPI.DefaultMode))
	default:
		for _, src := range v.Projected.Sources {
			if err := s.projected(ctx, p, src, mode(v.Projected.DefaultMode)); err != nil {
				return nil, err
			}
		}
		return p, nil
	}
}

func (s *sources) projected(ctx context.Context, p payload, src v1.VolumeProjection, m os.FileMode) error {
	switch {
	case src.Secret != nil:
		r := ref{secretKind, s.pod.Namespace, src.Secret.Name}
		return s.object(ctx, p, r, src.Secret.Items, m, isTrue(src.Secret.Optional))
	case src.ConfigMap != nil:
		r := ref{configMapKind, s.pod.Namespace, src.ConfigMap.Name}
		return s.object(ctx, p, r, src.ConfigMap.Items, m, isTrue(src.ConfigMap.Optional))
	case src.DownwardAPI != nil:
		return s.downward(p, src.DownwardAPI.Items, m)
	case src.ServiceAccountToken != nil:
		token, err := s.tokens.get(ctx, s.pod, src.ServiceAccountToken)
		if err != nil {
			return err
		}
		p[src.ServiceAccountToken.Path] = file{[]byte(token), m}
		return nil
	}
	return errors.New("unsupported source of a projected volume")
}

// object adds the keys of a Secret or ConfigMap: all of them, or the items asked for.
func (s *sources) object(ctx context.Context, p payload, r ref, items []v1.KeyToPath, m os.FileMode, optional bool) error {
	d, err := s.get(ctx, r)
	if err != nil {
		return err
	}
	if d == nil {
		if optional {
			return nil
		}
		return fmt.Errorf("%s %q %w", r.kind, r.name, errMissing)
	}
	if len(items) == 0 {
		for k, v := range d {
			p[k] = file{v, m}
		}
		return nil
	}
	for _, item := range items {
		v, ok := d[item.Key]
		if !ok && !optional {
			return fmt.Errorf("%s %q: key %q %w", r.kind, r.name, item.Key, errMissing)
		}
		if ok {
			p[item.Path] = file{v, itemMode(item.Mode, m)}
		}
	}
	return nil
}

func (s *sources) downward(p payload, items []v1.DownwardAPIVolumeFile, m os.FileMode) error {
	for _, item := range items {
		var value string
		var err error
		switch {
		case item.FieldRef != nil:
			value, err = field(s.pod, s.facts, item.FieldRef.FieldPath)
		case item.ResourceFieldRef != nil:
			value, err = s.resourceOf(item.ResourceFieldRef)
		}
		if err != nil {
			return err
		}
		p[item.Path] = file{[]byte(value), itemMode(item.Mode, m)}
	}
	return nil
}

func (s *sources) resourceOf(sel *v1.ResourceFieldSelector) (string, error) {
	for _, c := range allContainers(s.pod) {
		if c.Name == sel.ContainerName {
			return resourceField(&c, sel, s.nodes)
		}
	}
	return "", fmt.Errorf("no container %q", sel.ContainerName)
}

func mode(m *int32) os.FileMode { return itemMode(m, defaultFileMode) }

func itemMode(m *int32, otherwise os.FileMode) os.FileMode {
	if m == nil {
		return otherwise
	}
	return os.FileMode(*m) & 0o777
}
