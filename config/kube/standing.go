package kube

import (
	"context"
	"fmt"

	"github.com/steelyard-lb/steelyard/config/translate"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Standing asks the API whether a speaker that is told to stop will be back.
type Standing struct {
	Client    *Client
	Namespace string // of the DaemonSet
	DaemonSet string
	Node      string
}

// Leaves tells whether the node is to leave for good, and why: its DaemonSet
// is gone, being deleted or out of our sight, or the Node is gone or out of
// service. Anything else, an API server that does not answer included, is a
// restart.
func (s Standing) Leaves(ctx context.Context) (leave bool, why string) {
	set := &appsv1.DaemonSet{}
	err := s.Client.apps.Get().Namespace(s.Namespace).Resource("daemonsets").Name(s.DaemonSet).Do(ctx).Into(set)
	switch {
	case apierrors.IsNotFound(err):
		return true, "the DaemonSet is gone"
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return true, fmt.Sprintf("the DaemonSet may not be read any more: %v", err)
	case err != nil:
		return false, fmt.Sprintf("the API server does not tell: %v", err)
	case set.DeletionTimestamp != nil:
		return true, "the DaemonSet is being deleted"
	}
	node := &corev1.Node{}
	err = s.Client.core.Get().Resource("nodes").Name(s.Node).Do(ctx).Into(node)
	switch {
	case apierrors.IsNotFound(err):
		return true, "the Node is gone"
	case err != nil:
		return false, fmt.Sprintf("the API server does not tell: %v", err)
	case node.DeletionTimestamp != nil:
		return true, "the Node is being deleted"
	case translate.Node(node).OutOfService:
		return true, "the Node is out of service"
	}
	return false, "the DaemonSet and the Node stay"
}
