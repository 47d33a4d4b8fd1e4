package kube

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/translate"
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
	addSessions(&s, r.Sessions)
	return s
}

// addSessions adds the sessions and what is to be said of all of them.
func addSessions(s *v1beta1.SpeakerStatusStatus, sessions []config.SessionReport) {
	var up, watched, seen int
	var last config.SessionReport
	for _, p := range sessions {
		if p.State == config.SessionEstablished {
			up++
		}
		if p.BFD.State != "" {
			watched++
		}
		if p.BFD.State == config.BFDUp {
			seen++
		}
		if p.DroppedAt.After(last.DroppedAt) {
			last = p
		}
		s.Prefixes += int32(p.Prefixes)
		s.Sessions = append(s.Sessions, sessionStatus(p))
	}
	if len(sessions) > 0 {
		s.SessionSummary = fmt.Sprintf("%d/%d", up, len(sessions))
	}
	if watched > 0 {
		s.BFDSummary = fmt.Sprintf("%d/%d", seen, watched)
	}
	if !last.DroppedAt.IsZero() {
		s.LastDrop = last.Peer + ": " + last.LastDrop
	}
}

func sessionStatus(r config.SessionReport) v1beta1.SessionStatus {
	s := v1beta1.SessionStatus{
		Peer: r.Peer, Address: text(r.Addr), State: r.State, Since: metav1.NewTime(r.Since), ASN: r.ASN,
		Prefixes: int32(r.Prefixes), ReceivedPrefixes: int32(r.Received), Families: r.Families,
		LastDrop: r.LastDrop, BFD: bfdStatus(r.BFD),
	}
	if r.State == config.SessionEstablished {
		s.HoldTime, s.KeepaliveTime = &metav1.Duration{Duration: r.HoldTime}, &metav1.Duration{Duration: r.KeepaliveTime}
	}
	if !r.DroppedAt.IsZero() {
		s.LastDropTime = &metav1.Time{Time: r.DroppedAt}
	}
	return s
}

// ReadSessions reads what the speaker of a node last reported of its sessions;
// nothing if it never did.
func (c *Client) ReadSessions(ctx context.Context, node string) ([]config.SessionReport, error) {
	o := &v1beta1.SpeakerStatus{}
	err := c.steelyard.Get().Resource("speakerstatuses").Name(node).Do(ctx).Into(o)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read SpeakerStatus %s: %w", node, err)
	}
	return translate.Speaker(o).Sessions, nil
}

// text is addr in writing; nothing for a router that is not found yet.
func text(addr netip.Addr) string {
	if !addr.IsValid() {
		return ""
	}
	return addr.String()
}

func bfdStatus(r config.BFDReport) *v1beta1.BFDStatus {
	if r == (config.BFDReport{}) {
		return nil
	}
	s := &v1beta1.BFDStatus{State: r.State, Since: metav1.NewTime(r.Since)}
	if r.Detection > 0 {
		s.DetectionTime = &metav1.Duration{Duration: r.Detection}
	}
	if r.Interval > 0 {
		s.MeasuredInterval = &metav1.Duration{Duration: r.Interval}
	}
	return s
}
