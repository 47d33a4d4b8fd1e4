package kube

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

// ReadPools reads the IPAddressPools among YAML or JSON documents and in the
// lists among them, for an installation in namespace; other kinds are passed
// over. The error names document and object, and says what to do if the pool
// would have no effect: an unknown field, another group, another namespace.
func ReadPools(r io.Reader, namespace string) ([]*v1beta1.IPAddressPool, error) {
	var out []*v1beta1.IPAddressPool
	docs := yaml.NewYAMLOrJSONDecoder(r, 4096)
	for n := 1; ; n++ {
		var raw json.RawMessage
		err := docs.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err == nil {
			out, err = appendPools(out, raw, namespace)
		}
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
	}
}

// appendPools adds the pools in one object to out.
func appendPools(out []*v1beta1.IPAddressPool, raw json.RawMessage, namespace string) ([]*v1beta1.IPAddressPool, error) {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return out, nil
	}
	var o struct {
		metav1.TypeMeta `json:",inline"`
		Items           []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, fmt.Errorf("it is no Kubernetes object: %w", err)
	}
	switch o.Kind {
	case string(config.KindIPAddressPool):
		p, err := readPool(raw, namespace)
		return append(out, p), err
	case "List", string(config.KindIPAddressPool) + "List":
		for i, item := range o.Items {
			var err error
			if out, err = appendPools(out, item, namespace); err != nil {
				return nil, fmt.Errorf("items[%d]: %w", i, err)
			}
		}
	case "":
		return nil, errors.New("it has no kind")
	}
	return out, nil
}

func readPool(raw json.RawMessage, namespace string) (*v1beta1.IPAddressPool, error) {
	p := &v1beta1.IPAddressPool{}
	if err := strict.UnmarshalStrict(raw, p); err != nil {
		return nil, fmt.Errorf("IPAddressPool: %w", err)
	}
	if p.Name == "" {
		return nil, errors.New("IPAddressPool has no metadata.name")
	}
	if p.Namespace == "" {
		p.Namespace = namespace
	}
	if want := v1beta1.GroupVersion.String(); p.APIVersion != want {
		return nil, fmt.Errorf("IPAddressPool %s: apiVersion: it is %q; write %s", p.Name, p.APIVersion, want)
	}
	if p.Namespace != namespace {
		return nil, fmt.Errorf("IPAddressPool %s: metadata.namespace: Steelyard in namespace %s does not read pools in %s; "+
			"write its own namespace there, or name the one of the installation with --namespace", p.Name, namespace, p.Namespace)
	}
	return p, nil
}
