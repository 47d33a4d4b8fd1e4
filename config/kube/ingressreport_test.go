package kube

import (
	"context"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
)

func TestPutIngressReport(t *testing.T) {
	api, c := newAPIServer(t)
	r := &config.IngressReport{Key: config.Key{Namespace: "shop", Name: "web"}, Ingress: "u1",
		Findings: []config.Finding{{Field: "spec.rules[0].http.paths[0]", Verdict: config.Refused, Reason: "Conflict", Message: "m", Remedy: "r"}}}
	for _, worst := range []config.Verdict{config.Refused, config.Unknown} { // made, then changed
		r.Findings[0].Verdict = worst
		if err := c.PutIngressReport(context.Background(), r); err != nil {
			t.Fatal(err)
		}
		if o := stored[v1beta1.IngressReport](t, api, ingressReports, r.Key); o.Status.Worst != string(worst) || o.Status.Applied != "0/1" {
			t.Errorf("the status is %+v", o.Status)
		}
	}
	for range 2 {
		if err := c.DeleteIngressReport(context.Background(), r.Key); err != nil {
			t.Fatal(err)
		}
	}
	if len(api.objects[ingressReports]) != 0 {
		t.Error("the report is still there")
	}
}
