package translate

import (
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

func TestIngressReportThereAndBack(t *testing.T) {
	want := &config.IngressReport{Key: config.Key{Namespace: "shop", Name: "web"}, Ingress: "u", Omitted: 2, Findings: []config.Finding{
		{Field: "spec.tls[0].secretName", Subject: "a.test", Verdict: config.AppliedDifferently, Reason: "NotFound", Message: "m", Remedy: "r"},
		{Field: "spec.rules[0].http.paths[0]", Subject: "a.test/", Verdict: config.Refused, Reason: "Conflict", Message: "n", Remedy: "s"},
		{Field: "spec.rules[0].http.paths[1]", Subject: "a.test/x", Verdict: config.Applied},
	}}
	o := IngressReportObject(want)
	if o.Status.Applied != "1/5" || o.Status.Worst != "Refused" || o.OwnerReferences[0].UID != "u" || o.OwnerReferences[0].APIVersion != "networking.k8s.io/v1" {
		t.Errorf("the object is %+v", o)
	}
	got, problems := IngressReport(o)
	if !got.Equal(want) || problems != nil {
		t.Errorf("got %+v %v, want %+v", got, problems, want)
	}
	if got.Equal(nil) || (*config.IngressReport)(nil).Equal(got) || !(*config.IngressReport)(nil).Equal(nil) {
		t.Error("a report equals none")
	}
}
