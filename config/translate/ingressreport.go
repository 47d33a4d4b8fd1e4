package translate

import (
	"fmt"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// IngressReport reads what the controller wrote. There is nothing in it to
// complain of: what is not as it should be is written anew.
func IngressReport(o *v1beta1.IngressReport) (*config.IngressReport, []config.Problem) {
	r := &config.IngressReport{Key: keyOf(o), Omitted: int(o.Status.Omitted)}
	for _, owner := range o.OwnerReferences {
		if owner.Kind == string(config.KindIngress) {
			r.Ingress = string(owner.UID)
		}
	}
	for _, f := range o.Status.Findings {
		r.Findings = append(r.Findings, config.Finding{Field: f.Field, Subject: f.Subject, Verdict: config.Verdict(f.Verdict),
			Reason: f.Reason, Message: f.Message, Remedy: f.Remedy})
	}
	return r, nil
}

// IngressReportObject is the object of a report, which belongs to its Ingress.
func IngressReportObject(r *config.IngressReport) *v1beta1.IngressReport {
	o := &v1beta1.IngressReport{
		TypeMeta: metav1.TypeMeta{APIVersion: v1beta1.GroupVersion.String(), Kind: string(config.KindIngressReport)},
		ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: r.Name, OwnerReferences: []metav1.OwnerReference{{
			APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: string(config.KindIngress), Name: r.Name, UID: types.UID(r.Ingress),
		}}},
	}
	s := &o.Status
	s.Applied = fmt.Sprintf("%d/%d", r.Applied(), len(r.Findings)+r.Omitted)
	s.Findings, s.Omitted = []v1beta1.IngressFinding{}, int32(r.Omitted)
	for i, f := range r.Findings {
		if i == 0 || rank[f.Verdict] > rank[config.Verdict(s.Worst)] {
			s.Worst = string(f.Verdict)
		}
		s.Findings = append(s.Findings, v1beta1.IngressFinding{Field: f.Field, Subject: f.Subject, Verdict: string(f.Verdict),
			Reason: f.Reason, Message: f.Message, Remedy: f.Remedy})
	}
	return o
}

// rank orders verdicts by how bad they are.
var rank = map[config.Verdict]int{config.Applied: 0, config.Unknown: 1, config.AppliedDifferently: 2, config.Refused: 3}
