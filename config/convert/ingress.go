package convert

import (
	"fmt"
	"strconv"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	networkingv1beta1 "k8s.io/api/networking/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/steelyard-lb/steelyard/config"
)

const annotationClass = "kubernetes.io/ingress.class"

// regular are the characters by which a path shows that it was meant as a
// regular expression, as extensions/v1beta1 allowed.
const regular = "()[]^$*|"

// convertIngress reads both old versions: their fields are the same.
func convertIngress(about config.Ref, raw []byte) ([]any, []config.Problem, *config.Problem) {
	old, fault := decode[networkingv1beta1.Ingress](about, raw)
	if fault != nil {
		return nil, nil, fault
	}
	w := &work{about: about}
	o := &networkingv1.Ingress{
		TypeMeta:   metav1.TypeMeta{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "Ingress"},
		ObjectMeta: *old.ObjectMeta.DeepCopy(),
	}
	o.Spec.IngressClassName = w.class(o.Annotations, old.Spec.IngressClassName)
	if old.Spec.Backend != nil {
		o.Spec.DefaultBackend = w.backend("spec.backend", old.Spec.Backend)
	}
	for _, t := range old.Spec.TLS {
		o.Spec.TLS = append(o.Spec.TLS, networkingv1.IngressTLS{Hosts: t.Hosts, SecretName: t.SecretName})
	}
	for i, r := range old.Spec.Rules {
		o.Spec.Rules = append(o.Spec.Rules, w.rule(fmt.Sprintf("spec.rules[%d]", i), r))
	}
	if o.Spec.DefaultBackend == nil && len(o.Spec.Rules) == 0 {
		w.refuse("spec", "it has neither a backend nor rules", "add what it should serve, or drop it")
	}
	return w.done(o)
}

// class is the class of an Ingress; an annotation that says it becomes the field.
func (w *work) class(annotations map[string]string, field *string) *string {
	name, ok := annotations[annotationClass]
	if !ok {
		return field
	}
	const at = "metadata.annotations[" + annotationClass + "]"
	if field != nil {
		w.note(at, fmt.Sprintf("left out: spec.ingressClassName is set as well, to %q, and goes before it", *field), "")
		delete(annotations, annotationClass)
		return field
	}
	if len(validation.IsDNS1123Subdomain(name)) > 0 {
		w.note(at, fmt.Sprintf("left as it is: %q cannot be the name of an IngressClass", name), "Steelyard reads it where spec.ingressClassName is not set")
		return nil
	}
	w.note(at, fmt.Sprintf("now spec.ingressClassName %q", name), "an IngressClass of this name has to exist")
	delete(annotations, annotationClass)
	return &name
}

func (w *work) rule(field string, old networkingv1beta1.IngressRule) networkingv1.IngressRule {
	r := networkingv1.IngressRule{Host: old.Host}
	if old.HTTP == nil {
		return r
	}
	r.HTTP = &networkingv1.HTTPIngressRuleValue{Paths: make([]networkingv1.HTTPIngressPath, len(old.HTTP.Paths))}
	for i := range old.HTTP.Paths {
		r.HTTP.Paths[i] = w.path(fmt.Sprintf("%s.http.paths[%d]", field, i), &old.HTTP.Paths[i])
	}
	return r
}

func (w *work) path(field string, old *networkingv1beta1.HTTPIngressPath) networkingv1.HTTPIngressPath {
	// What a path without a type means was the class's to say, and still is.
	kind := networkingv1.PathTypeImplementationSpecific
	if old.PathType != nil {
		kind = networkingv1.PathType(*old.PathType)
	}
	path := old.Path
	switch {
	case path == "" && old.PathType == nil:
		path = "/"
	case !strings.HasPrefix(path, "/") && (path != "" || kind != networkingv1.PathTypeImplementationSpecific):
		w.refuse(field+".path", fmt.Sprintf("%q does not begin with /", path), "write the whole path")
	case kind == networkingv1.PathTypeImplementationSpecific && strings.ContainsAny(path, regular):
		w.note(field+".path", "it looks like a regular expression", "docs/ingress.md says how Steelyard reads ImplementationSpecific paths")
	}
	p := networkingv1.HTTPIngressPath{Path: path, PathType: &kind}
	if b := w.backend(field+".backend", &old.Backend); b != nil {
		p.Backend = *b
	}
	return p
}

func (w *work) backend(field string, old *networkingv1beta1.IngressBackend) *networkingv1.IngressBackend {
	if old.Resource != nil {
		if old.ServiceName != "" || old.ServicePort != (intstr.IntOrString{}) {
			w.refuse(field, "it names a resource and a Service", "leave one of them")
		}
		return &networkingv1.IngressBackend{Resource: old.Resource}
	}
	if old.ServiceName == "" {
		w.refuse(field+".serviceName", "it is empty", "name the Service")
	}
	return &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
		Name: old.ServiceName, Port: w.port(field+".servicePort", old.ServicePort)}}
}

func (w *work) port(field string, old intstr.IntOrString) networkingv1.ServiceBackendPort {
	if old.Type == intstr.Int {
		if old.IntVal < 1 || old.IntVal > 65535 {
			w.refuse(field, fmt.Sprintf("%d is no port", old.IntVal), "give the number of the Service's port, 1 to 65535, or its name")
		}
		return networkingv1.ServiceBackendPort{Number: old.IntVal}
	}
	if n, err := strconv.ParseUint(old.StrVal, 10, 16); err == nil && n > 0 {
		w.note(field, fmt.Sprintf("%q, a text, is taken for the number", old.StrVal), "")
		return networkingv1.ServiceBackendPort{Number: int32(n)}
	}
	if faults := validation.IsValidPortName(old.StrVal); len(faults) > 0 {
		w.refuse(field, fmt.Sprintf("%q is no name of a port: %s", old.StrVal, strings.Join(faults, ", ")), "give the name of the Service's port, or its number")
	}
	return networkingv1.ServiceBackendPort{Name: old.StrVal}
}
