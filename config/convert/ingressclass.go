package convert

import (
	networkingv1 "k8s.io/api/networking/v1"
	networkingv1beta1 "k8s.io/api/networking/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/steelyard-lb/steelyard/config"
)

// convertIngressClass has to add the scope of parameters alone, which had a
// default.
func convertIngressClass(about config.Ref, raw []byte) ([]any, []config.Problem, *config.Problem) {
	old, fault := decode[networkingv1beta1.IngressClass](about, raw)
	if fault != nil {
		return nil, nil, fault
	}
	w := &work{about: about}
	o := &networkingv1.IngressClass{
		TypeMeta:   metav1.TypeMeta{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "IngressClass"},
		ObjectMeta: *old.ObjectMeta.DeepCopy(),
		Spec:       networkingv1.IngressClassSpec{Controller: old.Spec.Controller},
	}
	if p := old.Spec.Parameters; p != nil {
		scope := networkingv1.IngressClassParametersReferenceScopeCluster
		if p.Scope != nil {
			scope = *p.Scope
		}
		o.Spec.Parameters = &networkingv1.IngressClassParametersReference{
			APIGroup: p.APIGroup, Kind: p.Kind, Name: p.Name, Scope: &scope, Namespace: p.Namespace}
	}
	return w.done(o)
}
