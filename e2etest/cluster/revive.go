package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// leaseholders are the programs that, on a real control plane, lose their Lease
// while the API server is away, end, and are started again by their node.
var leaseholders = []string{"kube-controller-manager", "kube-scheduler"}

// Revive brings the API server back by "start" or "resume", if it is not there
// already, and waits until it answers. With a start Kubernetes' own clients begin
// anew: their watches would sleep on for up to a minute, which is client-go's
// longest back-off. The controller manager and the scheduler do so on a real
// control plane, too: in the lab they have no Lease to lose. kube-proxy does not;
// but the API server takes itself off the Service kubernetes when it stops, and
// no pod would reach it before its node's kube-proxy has read that it is back.
func (c *Cluster) Revive(ctx context.Context, verb string) error {
	if c.answers(ctx) == nil {
		return nil
	}
	if verb != "start" { // it was only paused: no watch has noticed
		return c.control(ctx, verb)
	}
	for _, program := range leaseholders {
		if err := c.Control("kill", program); err != nil {
			return fmt.Errorf("begin anew with the API server: %w", err)
		}
	}
	err := c.control(ctx, verb)
	for _, program := range leaseholders {
		err = errors.Join(err, c.Control("start", program))
	}
	return errors.Join(err, c.restartProxies())
}

// control does something to the API server after which it must answer.
func (c *Cluster) control(ctx context.Context, verb string) error {
	if err := c.Control(verb, "kube-apiserver"); err != nil {
		return err
	}
	return Poll(ctx, 30*time.Second, func() error { return c.answers(ctx) })
}

func (c *Cluster) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := c.Client.CoreV1().Namespaces().Get(ctx, "default", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
