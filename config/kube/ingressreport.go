package kube

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/translate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const ingressReports = "ingressreports"

// PutIngressReport makes the IngressReport of r's name say r: one request, two
// for a new one. The error wraps config.ErrGone if the namespace is going.
func (c *Client) PutIngressReport(ctx context.Context, r *config.IngressReport) error {
	what := "write IngressReport " + r.Key.String()
	o := translate.IngressReportObject(r)
	body, err := json.Marshal([]patchOp{
		{"add", "/metadata/ownerReferences", o.OwnerReferences},
		{"add", "/status", o.Status}, // "add" replaces all of it, which a merge patch would not
	})
	if err != nil {
		return fmt.Errorf("%s: encode patch: %w", what, err)
	}
	for range attempts {
		err = c.steelyard.Patch(types.JSONPatchType).Namespace(r.Namespace).Resource(ingressReports).Name(r.Name).Body(body).Do(ctx).Error()
		if !apierrors.IsNotFound(err) {
			break
		}
		err = c.steelyard.Post().Namespace(r.Namespace).Resource(ingressReports).Body(o).Do(ctx).Error()
		if !apierrors.IsAlreadyExists(err) {
			break
		}
	}
	return writeError(what, goneNamespace(err))
}

// DeleteIngressReport deletes the IngressReport of that key; one that is gone is
// fine.
func (c *Client) DeleteIngressReport(ctx context.Context, key config.Key) error {
	return writeError("delete IngressReport "+key.String(), c.deleteOurs(ctx, ingressReports, key, metav1.Preconditions{}))
}
