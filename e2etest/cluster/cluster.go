package cluster

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/dns"
	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// planeName is the host that carries the control plane.
const planeName = "cp"

// Cluster is a running Kubernetes on a lab.
type Cluster struct {
	Lab     *lab.Lab
	Client  kubernetes.Interface
	Dynamic dynamic.Interface
	Outside dns.Table // names of the world outside, for clients and pods

	streams kubernetes.Interface // for watches, which have no time limit

	conf  Config
	dir   string
	plane *proc.Proc
	mu    sync.Mutex // guards nodes
	nodes map[string]*node
}

// Start brings up the control plane and then every node of the lab, and returns
// when all nodes are Ready.
func Start(ctx context.Context, l *lab.Lab, conf Config) (*Cluster, error) {
	if os.Getenv("NODE_NAME") != "" || os.Getenv("POD_NAME") != "" {
		os.Unsetenv("NODE_NAME") // pods must get these from their spec alone
		os.Unsetenv("POD_NAME")
	}
	for _, program := range []string{"kcp", "hello"} {
		if _, err := os.Stat(filepath.Join(conf.Bin, program)); err != nil {
			return nil, fmt.Errorf("the lab needs bin/%s, build it with make: %w", program, err)
		}
	}
	c := &Cluster{Lab: l, conf: conf, dir: filepath.Join(l.Dir, "kube"), nodes: make(map[string]*node)}
	if err := c.startPlane(ctx); err != nil {
		return nil, err
	}
	if err := c.connect(); err != nil {
		return nil, err
	}
	if err := c.startDNS(ctx); err != nil {
		return nil, err
	}
	if err := writeImages(c.images(), conf.Bin); err != nil {
		return nil, fmt.Errorf("image table: %w", err)
	}
	var group errgroup.Group
	for _, spec := range l.Topo.Of(lab.Node) {
		group.Go(func() error { return c.StartNode(ctx, spec.Name) })
	}
	return c, group.Wait()
}

// Kubeconfig is the path of the administrator's kubeconfig, for use in the
// control plane's namespace.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.dir, "admin.kubeconfig") }

func (c *Cluster) images() string { return filepath.Join(c.dir, "images.json") }
func (c *Cluster) kcp() string    { return filepath.Join(c.conf.Bin, "kcp") }

func (c *Cluster) startPlane(ctx context.Context) error {
	host, err := c.Lab.Host(planeName)
	if err != nil {
		return err
	}
	ready := filepath.Join(c.Lab.Dir, "plane.ready")
	c.plane, err = proc.Start(host.Netns, c.Lab.Logs(), proc.Spec{Name: "kcp-up", Argv: []string{
		c.kcp(), "up", "--dir", c.dir, "--advertise", host.Addrs(lab.LAN)[0].String(),
		"--service-cidr", ServiceCIDR, "--cluster-cidr", ClusterCIDR, "--ready-file", ready,
	}})
	if err != nil {
		return err
	}
	return Poll(ctx, 2*time.Minute, func() error {
		select {
		case <-c.plane.Done():
			return permanent{fmt.Errorf("the control plane ended: %s", c.plane.Tail(8))}
		default:
		}
		_, err := os.Stat(ready)
		return err
	})
}

// connect makes the clients. Connections start in the control plane's
// namespace, whose address the kubeconfig names.
func (c *Cluster) connect() error {
	config, err := c.restConfig()
	if err != nil {
		return err
	}
	if c.streams, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	// A frozen API server answers nothing: requests must not wait for ever.
	config.Timeout = 10 * time.Second
	if c.Client, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	c.Dynamic, err = dynamic.NewForConfig(config)
	return err
}

func (c *Cluster) restConfig() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig())
	if err != nil {
		return nil, fmt.Errorf("administrator's kubeconfig: %w", err)
	}
	config.QPS, config.Burst = -1, 0 // the lab's own requests are not held back
	config.Dial = c.dialPlane
	return config, nil
}

// dialPlane opens a connection from within the control plane's namespace.
func (c *Cluster) dialPlane(ctx context.Context, network, addr string) (conn net.Conn, err error) {
	host, err := c.Lab.Host(planeName)
	if err != nil {
		return nil, err
	}
	err = host.Netns.Do(func() (err error) {
		conn, err = (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, addr)
		return err
	})
	return conn, err
}

// Stop ends the nodes and then the control plane. It is a courtesy: whatever is
// left ends with the sandbox.
func (c *Cluster) Stop() {
	c.mu.Lock()
	var group sync.WaitGroup
	for _, n := range c.nodes {
		group.Go(func() { n.stop() })
	}
	c.mu.Unlock()
	group.Wait()
	c.plane.Stop(15 * time.Second)
}

// nodeReady waits until a node's kubelet answers and the API says that the node
// is Ready.
func (c *Cluster) nodeReady(ctx context.Context, name string, ended <-chan struct{}) error {
	return Poll(ctx, time.Minute, func() error {
		select {
		case <-ended:
			return permanent{fmt.Errorf("kubelet of %s ended", name)}
		default:
		}
		if _, err := c.Pids(name); err != nil {
			return err // what the API says may be from before a power cut
		}
		node, err := c.Client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, cond := range node.Status.Conditions {
			if cond.Type == "Ready" && cond.Status == "True" {
				return nil
			}
		}
		return fmt.Errorf("node %s is not Ready", name)
	})
}
