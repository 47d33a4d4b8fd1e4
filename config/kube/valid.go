package kube

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// plurals of our kinds whose status carries conditions.
var plurals = map[config.Kind]string{
	config.KindIPAddressPool:    "ipaddresspools",
	config.KindIPReservation:    reservations,
	config.KindL2Advertisement:  "l2advertisements",
	config.KindBGPAdvertisement: "bgpadvertisements",
	config.KindBGPPeer:          "bgppeers",
	config.KindBFDProfile:       "bfdprofiles",
	config.KindCommunity:        "communities",
}

// PatchPool writes the status of the IPAddressPool of that key.
func (c *Client) PatchPool(ctx context.Context, key config.Key, s config.PoolStatus) error {
	counts := &v1beta1.IPAddressPoolStatus{
		AssignedIPv4: s.Assigned4, AssignedIPv6: s.Assigned6,
		AvailableIPv4: s.Available4, AvailableIPv6: s.Available6,
	}
	return c.patchOurs(ctx, config.Ref{Kind: config.KindIPAddressPool, Key: key}, s.Conditions, counts)
}

// PatchConditions sets conditions of one of our own configuration objects,
// such as Valid, and leaves its other ones alone.
func (c *Client) PatchConditions(ctx context.Context, ref config.Ref, conditions []config.Condition) error {
	return c.patchOurs(ctx, ref, conditions, nil)
}

// record is what all our configuration objects have in common.
type record struct {
	Metadata metav1.ObjectMeta `json:"metadata"`
	Status   struct {
		v1beta1.IPAddressPoolStatus `json:",inline"` // other kinds have its conditions only
	} `json:"status"`
}

// patchOurs reads the object, since custom resources cannot merge conditions
// by type, and writes what differs under the version it has read.
func (c *Client) patchOurs(ctx context.Context, ref config.Ref, conditions []config.Condition, counts *v1beta1.IPAddressPoolStatus) error {
	what := "write status of " + ref.String()
	plural, ok := plurals[ref.Kind]
	if !ok {
		return fmt.Errorf("%s: not a kind with conditions", what)
	}
	var err error
	for range attempts {
		var o record
		if o, err = c.readOurs(ctx, plural, ref.Key); err != nil {
			return writeError(what, err)
		}
		status, same := nextStatus(&o, conditions, counts)
		if same {
			return nil
		}
		err = patchStatus(ctx, c.steelyard, types.MergePatchType, plural, ref.Key, map[string]any{
			"metadata": object{UID: o.Metadata.UID, ResourceVersion: o.Metadata.ResourceVersion},
			"status":   status,
		})
		if !apierrors.IsConflict(err) {
			break
		}
	}
	return writeError(what, err)
}

func (c *Client) readOurs(ctx context.Context, plural string, key config.Key) (o record, err error) {
	raw, err := c.steelyard.Get().NamespaceIfScoped(key.Namespace, key.Namespace != "").
		Resource(plural).Name(key.Name).Do(ctx).Raw()
	if err != nil {
		return o, err
	}
	if err := json.Unmarshal(raw, &o); err != nil {
		return o, fmt.Errorf("decode: %w", err)
	}
	return o, nil
}

// nextStatus is the status to write; same tells that it is there already.
func nextStatus(o *record, conditions []config.Condition, counts *v1beta1.IPAddressPoolStatus) (status map[string]any, same bool) {
	same = true
	for _, c := range conditions {
		changed := meta.SetStatusCondition(&o.Status.Conditions, metav1.Condition{
			Type: c.Type, Status: conditionStatus(c.Status), Reason: c.Reason, Message: c.Message,
			ObservedGeneration: o.Metadata.Generation,
		})
		same = same && !changed
	}
	status = map[string]any{"conditions": o.Status.Conditions}
	if counts != nil {
		was := o.Status.IPAddressPoolStatus
		same = same && was.AssignedIPv4 == counts.AssignedIPv4 && was.AssignedIPv6 == counts.AssignedIPv6 &&
			was.AvailableIPv4 == counts.AvailableIPv4 && was.AvailableIPv6 == counts.AvailableIPv6
		status["assignedIPv4"], status["assignedIPv6"] = counts.AssignedIPv4, counts.AssignedIPv6
		status["availableIPv4"], status["availableIPv6"] = counts.AvailableIPv4, counts.AvailableIPv6
	}
	return status, same
}
