package translate

import (
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	networkingv1 "k8s.io/api/networking/v1"
)

// ingressPrefixes begin the annotations that tell an Ingress controller what to do.
var ingressPrefixes = []string{"nginx.ingress.kubernetes.io/", "steelyard.io/"}

// maxUnknown bounds how many annotations of one Ingress are spoken of one by one.
const maxUnknown = 50

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

// cert-manager writes this on the Ingresses of its solvers, so that no list keeps
// certificate authorities out. There are no lists, so it is as it wants it.
const annotationAllowed, everybody = "nginx.ingress.kubernetes.io/whitelist-source-range", "0.0.0.0/0,::/0"

// settings are the names of the annotations that are meant for us, sorted. Of those
// that nobody knows it is said.
func settings(f *faults, annotations map[string]string) []string {
	var names, odd []string
	for name, value := range annotations {
		switch {
		case !isSetting(name):
		case name == AnnotationACME, name == annotationAllowed && value == everybody:
			names = append(names, name)
		default:
			names, odd = append(names, name), append(odd, name)
		}
	}
	slices.Sort(names)
	slices.Sort(odd)
	for i, name := range odd {
		if i == maxUnknown {
			f.unknown("metadata.annotations", "%d more annotations are not known here and have no effect", len(odd)-i)
			break
		}
		f.unknown("metadata.annotations["+name+"]", "the annotation is not known here and has no effect")
	}
	return names
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
