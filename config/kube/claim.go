package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/translate"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
)

// ErrLost is the error of a claim that somebody else wrote first. It wraps
// config.ErrConflict.
var ErrLost = fmt.Errorf("claim lost: %w", config.ErrConflict)

// SwapClaim makes owner, which answers on links, the recorded owner of addr, if
// the record still is prev (nil: if there is none), and returns the new record.
// The error wraps [ErrLost] if the record is another one by now. It is one
// request, which does not arrive later if ctx ends and it has not been sent.
func (c *Client) SwapClaim(ctx context.Context, addr netip.Addr, prev *config.L2Claim, owner string, links []string, now time.Time) (*config.L2Claim, error) {
	if prev != nil && prev.Owner == owner {
		return prev, nil
	}
	o := &v1beta1.L2Claim{
		ObjectMeta: metav1.ObjectMeta{Name: translate.ClaimName(addr)},
		Spec:       v1beta1.L2ClaimSpec{Address: addr.Unmap().String(), Owner: owner, Epoch: 1, Since: metav1.NewMicroTime(now), Interfaces: links},
	}
	written := &v1beta1.L2Claim{}
	var err error
	if prev == nil {
		err = c.fresh.Post().Resource("l2claims").Body(o).Do(ctx).Into(written)
	} else {
		o.Spec.Previous, o.Spec.Epoch = prev.Owner, prev.Epoch+1
		err = c.replaceClaim(ctx, o, prev.Version, written)
	}
	if err != nil {
		return nil, claimError("claim "+addr.String(), err)
	}
	claim, problems := translate.Claim(written)
	if claim == nil {
		return nil, fmt.Errorf("claim %v: %w", addr, problems[0])
	}
	return claim, nil
}

// replaceClaim patches the record under the version that the caller saw. A wish
// is fulfilled, or overtaken, and goes.
func (c *Client) replaceClaim(ctx context.Context, o *v1beta1.L2Claim, version string, into *v1beta1.L2Claim) error {
	spec := struct {
		v1beta1.L2ClaimSpec
		Interfaces []string `json:"interfaces"` // null removes them
		Wanted     *string  `json:"wanted"`
	}{o.Spec, o.Spec.Interfaces, nil}
	return patchClaim(ctx, c.fresh, o.Name, version, spec, into)
}

// patchClaim merges spec into the record if it still is of that version.
func patchClaim(ctx context.Context, through rest.Interface, name, version string, spec any, into *v1beta1.L2Claim) error {
	body, err := json.Marshal(map[string]any{"metadata": object{ResourceVersion: version}, "spec": spec})
	if err != nil {
		return fmt.Errorf("encode patch: %w", err)
	}
	return through.Patch(types.MergePatchType).Resource("l2claims").Name(name).Body(body).Do(ctx).Into(into)
}

// WishClaim asks node to take over the address of claim, if the record still is
// as given; "" takes the wish back. It returns the record with the wish. The
// error wraps [ErrLost] if the record is another one by now.
func (c *Client) WishClaim(ctx context.Context, claim *config.L2Claim, node string) (*config.L2Claim, error) {
	var wish *string
	if node != "" {
		wish = &node
	}
	written := &v1beta1.L2Claim{}
	err := patchClaim(ctx, c.steelyard, translate.ClaimName(claim.Addr), claim.Version, map[string]any{"wanted": wish}, written)
	if err != nil {
		return nil, claimError("wish for "+claim.Addr.String(), err)
	}
	wished, problems := translate.Claim(written)
	if wished == nil {
		return nil, fmt.Errorf("wish for %v: %w", claim.Addr, problems[0])
	}
	return wished, nil
}

// ReadClaims reads records as they are now, not as a watch that lags behind may
// have them: at most so many, 0 for all. Those with a fault are left out. After
// a cut link it does not wait until the watch's connection is found dead.
func (c *Client) ReadClaims(ctx context.Context, most int64) ([]*config.L2Claim, error) {
	list := &v1beta1.L2ClaimList{}
	req := c.fresh.Get().Resource("l2claims")
	if most > 0 {
		req.Param("limit", strconv.FormatInt(most, 10))
	}
	if err := req.Do(ctx).Into(list); err != nil {
		utilnet.CloseIdleConnectionsFor(c.freshHTTP.Transport)
		return nil, fmt.Errorf("read claims: %w", err)
	}
	out := make([]*config.L2Claim, 0, len(list.Items))
	for i := range list.Items {
		if claim, _ := translate.Claim(&list.Items[i]); claim != nil {
			out = append(out, claim)
		}
	}
	return out, nil
}

// DeleteClaim removes the record if it still is as given; one that is gone
// already is fine. The error wraps [ErrLost] if it is another one by now.
func (c *Client) DeleteClaim(ctx context.Context, claim *config.L2Claim) error {
	key := config.Key{Name: translate.ClaimName(claim.Addr)}
	err := c.deleteOurs(ctx, "l2claims", key, metav1.Preconditions{ResourceVersion: &claim.Version})
	return claimError("delete claim "+claim.Addr.String(), err)
}

// deleteOurs deletes an object of one of our kinds if it is as pre says; one
// that is gone already is fine.
func (c *Client) deleteOurs(ctx context.Context, plural string, key config.Key, pre metav1.Preconditions) error {
	body, err := json.Marshal(metav1.DeleteOptions{
		// the group of the kind itself, which the codec would write, is not one that has this kind
		TypeMeta:      metav1.TypeMeta{APIVersion: "v1", Kind: "DeleteOptions"},
		Preconditions: &pre,
	})
	if err != nil {
		return fmt.Errorf("encode options: %w", err)
	}
	err = c.steelyard.Delete().NamespaceIfScoped(key.Namespace, key.Namespace != "").
		Resource(plural).Name(key.Name).Body(body).Do(ctx).Error()
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func claimError(what string, err error) error {
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) {
		return fmt.Errorf("%s: %w (%w)", what, ErrLost, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
