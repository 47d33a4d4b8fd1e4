package cluster

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
	"github.com/steelyard-lb/steelyard/e2etest/lab/sandbox"
	"k8s.io/client-go/tools/clientcmd"
)

// Kubectl runs kubectl as administrator and returns what it wrote.
func (c *Cluster) Kubectl(args ...string) (string, error) {
	host, err := c.Lab.Host(planeName)
	if err != nil {
		return "", err
	}
	argv := append([]string{c.kcp(), "kubectl", "--kubeconfig", c.Kubeconfig()}, args...)
	return proc.Output(host.Netns, c.home(), argv...)
}

// KubectlIn is Kubectl with another default namespace. Unlike --namespace it lets
// a manifest name a namespace of its own.
func (c *Cluster) KubectlIn(namespace string, args ...string) (string, error) {
	config, err := clientcmd.LoadFromFile(c.Kubeconfig())
	if err != nil {
		return "", fmt.Errorf("administrator's kubeconfig: %w", err)
	}
	for _, context := range config.Contexts {
		context.Namespace = namespace
	}
	path := filepath.Join(c.dir, "admin-"+namespace+".kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return "", fmt.Errorf("kubeconfig of namespace %s: %w", namespace, err)
	}
	return c.Kubectl(append([]string{"--kubeconfig", path}, args...)...)
}

// Helm runs the Helm CLI as administrator and returns what it wrote.
func (c *Cluster) Helm(args ...string) (string, error) { return c.tool("helm", args) }

// Steelyard runs the product's command line as administrator and returns what
// it wrote, however it ended.
func (c *Cluster) Steelyard(args ...string) (string, error) { return c.tool("steelyard", args) }

// tool runs one of the lab's binaries beside the API server, with the
// administrator's kubeconfig in the environment.
func (c *Cluster) tool(name string, args []string) (string, error) {
	host, err := c.Lab.Host(planeName)
	if err != nil {
		return "", err
	}
	return proc.Output(host.Netns, c.home(), append([]string{filepath.Join(c.conf.Bin, name)}, args...)...)
}

// home keeps caches of kubectl and Helm out of the user's own.
func (c *Cluster) home() []string {
	home := filepath.Join(c.Lab.Dir, "home")
	return []string{"HOME=" + home, "XDG_CACHE_HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_DATA_HOME=" + home, "KUBECONFIG=" + c.Kubeconfig()}
}

// Control tells the control plane to stop, start, kill, pause or resume one of
// its programs: etcd, kube-apiserver, kube-controller-manager, kube-scheduler.
func (c *Cluster) Control(verb, program string) error {
	host, err := c.Lab.Host(planeName)
	if err != nil {
		return err
	}
	_, err = proc.Output(host.Netns, nil, c.kcp(), "ctl", "--dir", c.dir, verb, program)
	return err
}

// Forward relays a unix socket to the API server, for the host's loopback port
// of the sandbox, and writes a kubeconfig for the user's own kubectl at path.
// It serves until the listener it returns is closed.
func (c *Cluster) Forward(box sandbox.Sandbox, path string) (net.Listener, error) {
	data, err := os.ReadFile(c.Kubeconfig())
	if err != nil {
		return nil, err
	}
	host, err := c.Lab.Host(planeName)
	if err != nil {
		return nil, err
	}
	server := net.JoinHostPort(host.Links[0].Addrs[0].Addr().String(), "6443")
	text := strings.ReplaceAll(string(data), server, fmt.Sprintf("127.0.0.1:%d", box.Port))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	listener, err := net.Listen("unix", box.Socket())
	if err != nil {
		return nil, fmt.Errorf("socket for the user's kubectl: %w", err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go c.relay(conn, server)
		}
	}()
	return listener, nil
}

func (c *Cluster) relay(conn net.Conn, server string) {
	var up net.Conn
	host, err := c.Lab.Host(planeName)
	if err == nil {
		err = host.Netns.Do(func() (err error) {
			up, err = net.Dial("tcp", server)
			return err
		})
	}
	if err != nil {
		conn.Close()
		return
	}
	sandbox.Join(conn, up)
}
