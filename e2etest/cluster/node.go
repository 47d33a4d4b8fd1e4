package cluster

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
)

// node is what runs for one node outside of its pods.
type node struct {
	kubelet *proc.Proc
	proxy   *proc.Proc // nil while kube-proxy is off
}

func (n *node) stop() {
	if n.proxy != nil {
		n.proxy.Stop(3 * time.Second)
	}
	n.kubelet.Stop(10 * time.Second)
}

func (c *Cluster) nodeDir(name string) string { return filepath.Join(c.dir, "nodes", name) }

// StartNode starts the kubelet of a node that is powered on, and its kube-proxy
// where the cluster has one; it returns when the node is Ready.
func (c *Cluster) StartNode(ctx context.Context, name string) error {
	host, err := c.Lab.Host(name)
	if err != nil {
		return err
	}
	ips := join(host.Addrs(lab.LAN))
	if _, err := proc.Output(host.Netns, nil, c.kcp(), "node-kubeconfig", "--dir", c.dir, "--node", name, "--ip", ips); err != nil {
		return err
	}
	kubelet, err := proc.Start(host.Netns, c.Lab.Logs(), proc.Spec{Name: name + "-kubelet", Argv: []string{
		c.kcp(), "kubelet", "--node", name, "--node-ip", ips, "--dir", c.nodeDir(name), "--images", c.images(),
		"--labels", "topology.kubernetes.io/zone=lab", "--dns", join(dnsAddrs), "--routes",
	}})
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.nodes[name] = &node{kubelet: kubelet}
	c.mu.Unlock()
	if err := c.nodeReady(ctx, name, kubelet.Done()); err != nil {
		return fmt.Errorf("%w; see %s:\n%s", err, kubelet.Log, kubelet.Tail(5))
	}
	if err := c.routePods(ctx, name); err != nil {
		return err
	}
	if c.conf.KubeProxy {
		return c.StartProxy(name)
	}
	return nil
}

// StartProxy switches kube-proxy on at a node.
func (c *Cluster) StartProxy(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.nodes[name]
	if !ok || n.proxy != nil {
		return fmt.Errorf("kube-proxy on %s: the node is off or the proxy is on", name)
	}
	return c.runProxy(name, n)
}

// runProxy starts kube-proxy; the lock is held.
func (c *Cluster) runProxy(name string, n *node) error {
	host, err := c.Lab.Host(name)
	if err != nil {
		return err
	}
	n.proxy, err = proc.Start(host.Netns, c.Lab.Logs(), proc.Spec{Name: name + "-kube-proxy", Argv: []string{
		c.kcp(), "kube-proxy", "--kubeconfig", filepath.Join(c.dir, "kube-proxy.kubeconfig"),
		"--hostname-override", name, "--proxy-mode=nftables", "--cluster-cidr=" + ClusterCIDR,
		"--conntrack-max-per-core=0", // the value is the host's, read-only in a namespace
	}})
	return err
}

// restartProxies lets every kube-proxy that is on begin anew; their rules stay
// meanwhile.
func (c *Cluster) restartProxies() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, n := range c.nodes {
		if n.proxy == nil {
			continue
		}
		if err := n.proxy.Kill(); err != nil {
			return err
		}
		if err := c.runProxy(name, n); err != nil {
			return err
		}
	}
	return nil
}

// StopProxy switches kube-proxy off at a node and removes its rules, as taking
// it off a node for good does.
func (c *Cluster) StopProxy(name string) error {
	host, err := c.Lab.Host(name)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.nodes[name]
	if !ok || n.proxy == nil {
		return fmt.Errorf("kube-proxy on %s: it is off already", name)
	}
	err = n.proxy.Stop(5 * time.Second)
	n.proxy = nil
	for _, family := range []string{"ip", "ip6"} {
		if out, e := proc.Output(host.Netns, nil, "nft", "list", "tables", family); e == nil && hasLine(out, "table "+family+" kube-proxy") {
			_, e = proc.Output(host.Netns, nil, "nft", "delete", "table", family, "kube-proxy")
			err = errors.Join(err, e)
		}
	}
	return err
}

// PowerOff takes a node away with everything on it: links first, then kubelet,
// kube-proxy and pods, none of which can say goodbye.
func (c *Cluster) PowerOff(name string) error {
	c.mu.Lock()
	n, ok := c.nodes[name]
	c.mu.Unlock()
	if !ok {
		return fmt.Errorf("node %s is off already", name)
	}
	netns, pids := c.processes(name, n)
	if err := c.Lab.PowerOff(name, netns, pids); err != nil {
		return err
	}
	c.mu.Lock()
	delete(c.nodes, name)
	c.mu.Unlock()
	return nil
}

// processes are the namespaces of a node's pods and the processes that were
// started for the node.
func (c *Cluster) processes(name string, n *node) (netns []uint64, pids []int) {
	pids = []int{n.kubelet.Pid}
	if n.proxy != nil {
		pids = append(pids, n.proxy.Pid)
	}
	if pods, err := c.Pids(name); err == nil { // a frozen kubelet cannot say
		for _, p := range pods {
			pids = append(pids, p.Pid)
			netns = append(netns, p.netnsInode())
		}
	}
	return netns, pids
}

// Pause halts a node as a hypervisor halts a virtual machine: its cables keep
// their carrier, but no frame passes, and no process of it runs. The function it
// returns lets the node go on.
func (c *Cluster) Pause(name string) (resume func() error, err error) {
	c.mu.Lock()
	n, ok := c.nodes[name]
	c.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("node %s is off", name)
	}
	netns, pids := c.processes(name, n)
	return c.Lab.Pause(name, netns, pids)
}

// PowerOn makes the node's host again and starts kubelet and kube-proxy there;
// pods bound to it start anew.
func (c *Cluster) PowerOn(ctx context.Context, name string) error {
	if err := c.Lab.PowerOn(name); err != nil {
		return err
	}
	return c.StartNode(ctx, name)
}

// PoweredOn reports whether a node's kubelet was started and not powered off.
func (c *Cluster) PoweredOn(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.nodes[name]
	return ok
}
