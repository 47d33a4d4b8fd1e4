package kube

import (
	"context"
	"fmt"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// maxExceptions bounds the size of a SpeakerStatus, which is written whole.
const maxExceptions = 500

// WriteReport writes what a speaker says of itself to the SpeakerStatus of its
// node, which it creates if need be. The object belongs to the Node, so that
// it goes when the Node does.
func (c *Client) WriteReport(ctx context.Context, r config.SpeakerReport) error {
	what := "write SpeakerStatus " + r.Node
	// "add" replaces the whole status, which a merge patch would not
	body := []map[string]any{{"op": "add", "path": "/status", "value": speakerStatus(r, time.Now())}}
	key := config.Key{Name: r.Node}
	err := patchStatus(ctx, c.steelyard, types.JSONPatchType, "speakerstatuses", key, body)
	if !apierrors.IsNotFound(err) {
		return writeError(what, err)
	}
	o := &v1beta1.SpeakerStatus{ObjectMeta: metav1.ObjectMeta{Name: r.Node}}
	node := &corev1.Node{}
	if err := c.core.Get().Resource("nodes").Name(r.Node).Do(ctx).Into(node); err == nil {
		o.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID}}
	}
	err = c.steelyard.Post().Resource("speakerstatuses").Body(o).Do(ctx).Error()
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return writeError(what, err)
	}
	return writeError(what, patchStatus(ctx, c.steelyard, types.JSONPatchType, "speakerstatuses", key, body))
}

func speakerStatus(r config.SpeakerReport, now time.Time) v1beta1.SpeakerStatusStatus {
	s := v1beta1.SpeakerStatusStatus{
		Version: r.Version, Updated: metav1.NewMicroTime(now), Claims: int32(r.Claims), Problems: r.Problems,
		Forwarder: v1beta1.ForwarderStatus{State: r.Forwarder, Message: r.ForwarderMessage},
	}
	for _, l := range r.Links {
		i := v1beta1.InterfaceStatus{Name: l.Name}
		for _, p := range l.Subnets {
			i.Subnets = append(i.Subnets, p.String())
		}
		s.Interfaces = append(s.Interfaces, i)
	}
	for _, e := range r.Exceptions[:min(len(r.Exceptions), maxExceptions)] {
		s.Exceptions = append(s.Exceptions, v1beta1.ExceptionStatus{
			Service: e.Service.String(), Address: e.Addr.String(), Reason: e.Reason, Message: e.Message})
	}
	up := 0
	for _, p := range r.Sessions {
		if p.State == config.SessionEstablished {
			up++
		}
		s.Sessions = append(s.Sessions, v1beta1.SessionStatus{
			Peer: p.Peer, Address: p.Addr.String(), State: p.State, Since: metav1.NewTime(p.Since),
			Prefixes: int32(p.Prefixes), LastDrop: p.LastDrop, BFD: bfdStatus(p.BFD),
		})
	}
	if len(r.Sessions) > 0 {
		s.SessionSummary = fmt.Sprintf("%d/%d", up, len(r.Sessions))
	}
	return s
}

func bfdStatus(r config.BFDReport) *v1beta1.BFDStatus {
	if r == (config.BFDReport{}) {
		return nil
	}
	return &v1beta1.BFDStatus{State: r.State, Since: metav1.NewTime(r.Since)}
}
