package cluster

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ContainerPid is a container's main process, as its kubelet reports it.
type ContainerPid struct {
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	Container string `json:"container"`
	Pid       int    `json:"pid"`
	Netns     string `json:"netns"`
}

// netnsInode is the number of the process's network namespace, 0 when the
// process is gone.
func (p ContainerPid) netnsInode() uint64 {
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", p.Pid))
	if err != nil {
		return 0
	}
	inode, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimPrefix(link, "net:["), "]"), 10, 64) // the kernel's own format
	return inode
}

// Pids lists the containers of a node, by asking its kubelet.
func (c *Cluster) Pids(node string) ([]ContainerPid, error) {
	conn, err := net.DialTimeout("unix", filepath.Join(c.nodeDir(node), "kubelet.sock"), 2*time.Second)
	if err != nil {
		return nil, fmt.Errorf("kubelet of %s: %w", node, err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err := io.WriteString(conn, "pids\n"); err != nil {
		return nil, fmt.Errorf("kubelet of %s: %w", node, err)
	}
	var pids []ContainerPid
	if err := json.NewDecoder(conn).Decode(&pids); err != nil {
		return nil, fmt.Errorf("kubelet of %s: %w", node, err)
	}
	return pids, nil
}

// SignalPod sends a signal to the processes of a pod; container "" means all of
// its containers.
func (c *Cluster) SignalPod(node, namespace, pod, container string, sig syscall.Signal) error {
	pids, err := c.Pids(node)
	if err != nil {
		return err
	}
	hit := false
	for _, p := range pids {
		if p.Namespace != namespace || p.Pod != pod || (container != "" && p.Container != container) {
			continue
		}
		hit = true
		if err := syscall.Kill(p.Pid, sig); err != nil {
			return fmt.Errorf("signal %v to %s/%s %s (pid %d): %w", sig, namespace, pod, p.Container, p.Pid, err)
		}
	}
	if !hit {
		return fmt.Errorf("node %s runs no container %q of pod %s/%s", node, container, namespace, pod)
	}
	return nil
}

// SignalNode sends a signal to a program of the node itself: kubelet or
// kube-proxy.
func (c *Cluster) SignalNode(node, program string, sig syscall.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.nodes[node]
	switch {
	case !ok:
		return fmt.Errorf("node %s is off", node)
	case program == "kubelet":
		return n.kubelet.Signal(sig)
	case program == "kube-proxy" && n.proxy != nil:
		return n.proxy.Signal(sig)
	}
	return fmt.Errorf("node %s runs no %s", node, program)
}

func hasLine(text, line string) bool {
	for l := range strings.Lines(text) {
		if strings.TrimSpace(l) == line {
			return true
		}
	}
	return false
}
