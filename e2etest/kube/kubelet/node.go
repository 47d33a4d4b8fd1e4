package kubelet

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	coordv1 "k8s.io/api/coordination/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/steelyard-lb/steelyard/e2etest/kube/kubelet/podnet"
)

const (
	leaseSeconds  = 8
	renewInterval = leaseSeconds * time.Second / 4
	statusPeriod  = 10 * time.Second
)

// capacityOf is what the node offers. A lab does not enforce limits: the
// figures only must not keep pods away.
func capacityOf(o *Options) v1.ResourceList {
	return v1.ResourceList{
		v1.ResourceCPU:              *resource.NewQuantity(int64(o.CPUs), resource.DecimalSI),
		v1.ResourceMemory:           resource.MustParse(o.Memory),
		v1.ResourcePods:             *resource.NewQuantity(int64(o.Pods), resource.DecimalSI),
		v1.ResourceEphemeralStorage: resource.MustParse("100Gi"),
	}
}

func (k *kubelet) capacity() v1.ResourceList { return capacityOf(k.opts) }

// register makes the Node, or takes over the one of an earlier run, and tries
// until the API server has accepted it.
func (k *kubelet) register(ctx context.Context) {
	k.insist(ctx, "cannot register the node", func() error {
		node := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: k.opts.Node, Labels: k.labels()}}
		_, err := k.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			err = k.relabel(ctx)
		}
		if err != nil {
			return err
		}
		return k.postNodeStatus(ctx)
	})
}

func (k *kubelet) relabel(ctx context.Context) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": k.labels()}})
	if err != nil {
		return err
	}
	_, err = k.client.CoreV1().Nodes().Patch(ctx, k.opts.Node, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

func (k *kubelet) labels() map[string]string {
	labels := map[string]string{
		v1.LabelHostname: k.opts.Node, v1.LabelOSStable: "linux", v1.LabelArchStable: runtime.GOARCH,
	}
	for key, value := range k.opts.Labels {
		labels[key] = value
	}
	return labels
}

// postNodeStatus says that the node is well, with its addresses and capacity.
func (k *kubelet) postNodeStatus(ctx context.Context) error {
	// A plain merge patch replaces lists as a whole. In the strategic one the
	// merge key of addresses is their type, and a node with two InternalIPs
	// could not be patched twice.
	node, err := k.client.CoreV1().Nodes().Get(ctx, k.opts.Node, metav1.GetOptions{})
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"status": k.nodeStatus(node.Status.Conditions, metav1.Now())})
	if err != nil {
		return err
	}
	_, err = k.client.CoreV1().Nodes().Patch(ctx, k.opts.Node, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

func (k *kubelet) nodeStatus(old []v1.NodeCondition, now metav1.Time) v1.NodeStatus {
	s := v1.NodeStatus{Capacity: k.capacity(), Allocatable: k.capacity(), NodeInfo: nodeInfo()}
	for _, ip := range k.opts.NodeIPs {
		s.Addresses = append(s.Addresses, v1.NodeAddress{Type: v1.NodeInternalIP, Address: ip.String()})
	}
	s.Addresses = append(s.Addresses, v1.NodeAddress{Type: v1.NodeHostName, Address: k.opts.Node})
	s.DaemonEndpoints.KubeletEndpoint.Port = kubeletPort
	for _, c := range []v1.NodeCondition{
		{Type: v1.NodeMemoryPressure, Status: v1.ConditionFalse, Reason: "KubeletHasSufficientMemory", Message: "kubelet has sufficient memory available"},
		{Type: v1.NodeDiskPressure, Status: v1.ConditionFalse, Reason: "KubeletHasNoDiskPressure", Message: "kubelet has no disk pressure"},
		{Type: v1.NodePIDPressure, Status: v1.ConditionFalse, Reason: "KubeletHasSufficientPID", Message: "kubelet has sufficient PID available"},
		{Type: v1.NodeReady, Status: v1.ConditionTrue, Reason: "KubeletReady", Message: "lab kubelet is posting ready status"},
	} {
		c.LastHeartbeatTime, c.LastTransitionTime = now, now
		for _, before := range old {
			if before.Type == c.Type && before.Status == c.Status {
				c.LastTransitionTime = before.LastTransitionTime
			}
		}
		s.Conditions = append(s.Conditions, c)
	}
	return withForeign(s, old)
}

// withForeign keeps the conditions that others have set.
func withForeign(s v1.NodeStatus, old []v1.NodeCondition) v1.NodeStatus {
	ours := len(s.Conditions)
	for _, c := range old {
		own := false
		for _, mine := range s.Conditions[:ours] {
			own = own || mine.Type == c.Type
		}
		if !own {
			s.Conditions = append(s.Conditions, c)
		}
	}
	return s
}

func nodeInfo() v1.NodeSystemInfo {
	read := func(path string) string {
		text, _ := os.ReadFile(path)
		return strings.TrimSpace(string(text))
	}
	var u unix.Utsname
	unix.Uname(&u)
	return v1.NodeSystemInfo{
		MachineID: read("/etc/machine-id"), BootID: read("/proc/sys/kernel/random/boot_id"),
		KernelVersion: unix.ByteSliceToString(u.Release[:]), OSImage: "Steelyard lab", OperatingSystem: "linux",
		Architecture: runtime.GOARCH, ContainerRuntimeVersion: "lab://1.0", KubeletVersion: "v1.36.3",
	}
}

// heartbeat renews the node's Lease and, less often, its status.
func (k *kubelet) heartbeat(ctx context.Context) {
	renew, post := time.NewTicker(renewInterval), time.NewTicker(statusPeriod)
	defer renew.Stop()
	defer post.Stop()
	for {
		if err := k.renewLease(ctx); err != nil && ctx.Err() == nil {
			k.log("cannot renew the lease", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-renew.C:
		case <-post.C:
			if err := k.postNodeStatus(ctx); err != nil && ctx.Err() == nil {
				k.log("cannot post the node's status", "err", err)
			}
		}
	}
}

func (k *kubelet) renewLease(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, renewInterval)
	defer cancel()
	leases := k.client.CoordinationV1().Leases(v1.NamespaceNodeLease)
	now, seconds := metav1.NowMicro(), int32(leaseSeconds)
	lease, err := leases.Get(ctx, k.opts.Node, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		lease = &coordv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: k.opts.Node}}
		lease.Spec = coordv1.LeaseSpec{HolderIdentity: &k.opts.Node, LeaseDurationSeconds: &seconds, RenewTime: &now}
		_, err = leases.Create(ctx, lease, metav1.CreateOptions{})
		return err
	}
	if err != nil {
		return err
	}
	lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds, lease.Spec.RenewTime = &k.opts.Node, &seconds, &now
	_, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
	return err
}

// awaitRanges waits until the node has its pod ranges: one per address family
// that the cluster hands out, all at once.
func (k *kubelet) awaitRanges(ctx context.Context) []netip.Prefix {
	var out []netip.Prefix
	k.insist(ctx, "waiting for spec.podCIDRs", func() error {
		node, err := k.client.CoreV1().Nodes().Get(ctx, k.opts.Node, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if out, err = prefixes(node.Spec.PodCIDRs); err != nil {
			return err
		}
		if len(out) == 0 {
			return errNoRange
		}
		return nil
	})
	return out
}

func prefixes(texts []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("pod range of a node: %w", err)
		}
		out = append(out, p)
	}
	return out, nil
}

// routesOf computes the routes to the pods of all other nodes.
func routesOf(self string, nodes []*v1.Node) []podnet.Route {
	var out []podnet.Route
	for _, n := range nodes {
		if n.Name == self {
			continue
		}
		ranges, err := prefixes(n.Spec.PodCIDRs)
		if err != nil {
			continue
		}
		for _, p := range ranges {
			for _, a := range n.Status.Addresses {
				via, err := netip.ParseAddr(a.Address)
				if a.Type == v1.NodeInternalIP && err == nil && via.Is4() == p.Addr().Is4() {
					out = append(out, podnet.Route{To: p.Masked(), Via: via})
					break
				}
			}
		}
	}
	return out
}
