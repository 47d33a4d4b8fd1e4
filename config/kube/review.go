package kube

import (
	"context"
	"errors"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
)

// Errors of [Client.MayReadMetrics].
var (
	ErrUnauthenticated = errors.New("a valid bearer token is required")
	ErrForbidden       = errors.New("this token may not get /metrics")
)

// MayReadMetrics asks the API server whose token this is (TokenReview) and
// whether they may get the path /metrics (SubjectAccessReview). nil means yes.
func (c *Client) MayReadMetrics(ctx context.Context, token string) error {
	if token == "" {
		return ErrUnauthenticated
	}
	who := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	if err := c.authentication.Post().Resource("tokenreviews").Body(who).Do(ctx).Into(who); err != nil {
		return fmt.Errorf("review the token: %w", err)
	}
	if !who.Status.Authenticated {
		return ErrUnauthenticated
	}
	may := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: who.Status.User.Username, UID: who.Status.User.UID, Groups: who.Status.User.Groups,
		NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: "/metrics", Verb: "get"},
	}}
	for key, values := range who.Status.User.Extra {
		if may.Spec.Extra == nil {
			may.Spec.Extra = map[string]authorizationv1.ExtraValue{}
		}
		may.Spec.Extra[key] = authorizationv1.ExtraValue(values)
	}
	if err := c.authorization.Post().Resource("subjectaccessreviews").Body(may).Do(ctx).Into(may); err != nil {
		return fmt.Errorf("review the access: %w", err)
	}
	if !may.Status.Allowed {
		return ErrForbidden
	}
	return nil
}
