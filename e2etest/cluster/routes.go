package cluster

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/steelyard-lb/steelyard/e2etest/lab"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// routePods teaches the control plane's host the way to a node's pods, so that
// it can answer them: the nodes themselves learn it from each other.
func (c *Cluster) routePods(ctx context.Context, name string) error {
	plane, err := c.Lab.Host(planeName)
	if err != nil {
		return err
	}
	host, err := c.Lab.Host(name)
	if err != nil {
		return err
	}
	node, err := c.Client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, text := range node.Spec.PodCIDRs {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return fmt.Errorf("pod network of %s: %w", name, err)
		}
		for _, addr := range host.Addrs(lab.LAN) {
			if addr.Is4() != prefix.Addr().Is4() {
				continue
			}
			if err := plane.Netns.AddRoute(prefix, addr); err != nil {
				return err
			}
		}
	}
	return nil
}
