package translate

import (
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	networkingv1 "k8s.io/api/networking/v1"
)

// ingressPrefixes begin the annotations that tell an Ingress controller what to do.
var ingressPrefixes = []string{"nginx.ingress.kubernetes.io/", "steelyard.io/"}

// IngressAnnotations is what translation reads of the annotations of an Ingress.
func IngressAnnotations(all map[string]string) map[string]string {
	var kept map[string]string
	for name, value := range all {
		if name != AnnotationIngressClass && name != AnnotationTLSACME && !isSetting(name) {
			continue
		}
		if kept == nil {
			kept = map[string]string{}
		}
		kept[name] = value
	}
	return kept
}

func isSetting(name string) bool {
	return slices.ContainsFunc(ingressPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// unknown notes something that has no effect because nobody knows what it is.
func (f *faults) unknown(field, message string, args ...any) {
	f.add(field, ReasonNoEffect, "check its spelling, or remove it", message, args...)
	f.problems[len(f.problems)-1].Verdict = config.Unknown
}

// warnTwoClasses tells that the old annotation is not read beside the field.
func warnTwoClasses(f *faults, o *networkingv1.Ingress) {
	name, ok := o.Annotations[AnnotationIngressClass]
	if !ok || o.Spec.IngressClassName == nil || name == *o.Spec.IngressClassName {
		return
	}
	f.add("metadata.annotations["+AnnotationIngressClass+"]", ReasonNoEffect, "remove the annotation",
		"class %q is not looked at, because spec.ingressClassName says %q", name, *o.Spec.IngressClassName)
}
