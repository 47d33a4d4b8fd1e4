package kube

import (
	"slices"

	"github.com/steelyard-lb/steelyard/config/translate"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The functions here drop what translation does not use, right where objects
// come in: at ten thousand Services it is most of the memory. They change an
// object that nobody else has seen yet.

func cutAnnotations(o metav1.Object) { o.SetAnnotations(nil) }

func cutIngress(o metav1.Object) {
	o.SetAnnotations(translate.IngressAnnotations(o.GetAnnotations()))
}

func cutNamespace(o metav1.Object) {
	cutAnnotations(o)
	if n, ok := o.(*corev1.Namespace); ok {
		n.Spec, n.Status = corev1.NamespaceSpec{}, corev1.NamespaceStatus{}
	}
}

func cutSlice(o metav1.Object) {
	cutAnnotations(o)
	s, ok := o.(*discoveryv1.EndpointSlice)
	if !ok {
		return
	}
	s.Labels = keepOnly(s.Labels, discoveryv1.LabelServiceName)
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		s.Endpoints[i] = discoveryv1.Endpoint{
			Addresses: e.Addresses[:min(1, len(e.Addresses))], Conditions: e.Conditions,
			NodeName: e.NodeName, Zone: e.Zone, Hints: e.Hints,
		}
	}
}

func keepOnly(all map[string]string, names ...string) map[string]string {
	var kept map[string]string
	for _, name := range names {
		if v, ok := all[name]; ok {
			if kept == nil {
				kept = map[string]string{}
			}
			kept[name] = v
		}
	}
	return kept
}

func cutNode(o metav1.Object) {
	cutAnnotations(o)
	n, ok := o.(*corev1.Node)
	if !ok {
		return
	}
	n.Spec = corev1.NodeSpec{PodCIDR: n.Spec.PodCIDR, PodCIDRs: n.Spec.PodCIDRs, Taints: n.Spec.Taints}
	n.Status = corev1.NodeStatus{
		Addresses: n.Status.Addresses,
		Conditions: slices.DeleteFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type != corev1.NodeReady && c.Type != corev1.NodeNetworkUnavailable
		}),
	}
}

// cutPassword keeps nothing of a Secret but the password that it is for.
func cutPassword(o metav1.Object) {
	if s, ok := o.(*corev1.Secret); ok && s.Type == corev1.SecretTypeBasicAuth {
		keepData(s, corev1.BasicAuthPasswordKey)
	} else if ok {
		keepData(s)
	}
}

func cutCertificate(o metav1.Object) {
	if s, ok := o.(*corev1.Secret); ok {
		revoke := keepOnly(s.Annotations, translate.AnnotationRevoke)
		keepData(s, corev1.TLSCertKey, corev1.TLSPrivateKeyKey)
		s.Annotations = revoke
	}
}

func keepData(s *corev1.Secret, names ...string) {
	cutAnnotations(s)
	kept := map[string][]byte{}
	for _, name := range names {
		if v, ok := s.Data[name]; ok {
			kept[name] = v
		}
	}
	s.Data, s.StringData = kept, nil
}

func cutSpeaker(o metav1.Object) {
	cutAnnotations(o)
	if s, ok := o.(*v1beta1.SpeakerStatus); ok {
		s.Status = v1beta1.SpeakerStatusStatus{Forwarder: s.Status.Forwarder, Sessions: s.Status.Sessions,
			Interfaces: s.Status.Interfaces, Exceptions: s.Status.Exceptions}
	}
}
