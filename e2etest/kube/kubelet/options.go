package kubelet

import (
	"flag"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"
)

// Options are the command line of "kcp kubelet".
type Options struct {
	Node          string
	NodeIPs       []netip.Addr
	Dir           string // DIR/nodes/NAME: identity, pods, logs, sockets
	Images        string // JSON file, see loadImages
	Labels        map[string]string
	PodMTU        int
	DNS           []netip.Addr
	ClusterDomain string
	ServiceHost   string
	ServicePort   string
	Routes        bool
	HostPathAllow []string // prefixes of hostPath volumes that mean the machine's own paths
	BackoffBase   time.Duration
	BackoffMax    time.Duration
	CPUs, Pods    int    // capacity to report
	Memory        string // capacity to report
	DieWithParent bool
}

func parseOptions(args []string) (Options, error) {
	var o Options
	var ips, labels, dns, allow string
	fs := flag.NewFlagSet("kcp kubelet", flag.ContinueOnError)
	fs.StringVar(&o.Node, "node", "", "name of the node")
	fs.StringVar(&ips, "node-ip", "", "addresses of the node, IPv4 first, separated by a comma")
	fs.StringVar(&o.Dir, "dir", "", "directory that kcp node-kubeconfig wrote for the node")
	fs.StringVar(&o.Images, "images", "", `JSON file: {"image:tag": {"entrypoint": ["/program"], "user": 65532}}`)
	fs.StringVar(&labels, "labels", "", "further labels of the Node, k=v separated by commas")
	fs.IntVar(&o.PodMTU, "pod-mtu", 1500, "MTU of pod links")
	fs.StringVar(&dns, "dns", "", "name servers of pods with dnsPolicy ClusterFirst, separated by commas")
	fs.StringVar(&o.ClusterDomain, "cluster-domain", "cluster.local", "DNS domain of the cluster")
	fs.StringVar(&o.ServiceHost, "service-host", "10.96.0.1", "KUBERNETES_SERVICE_HOST of containers")
	fs.StringVar(&o.ServicePort, "service-port", "443", "KUBERNETES_SERVICE_PORT of containers")
	fs.BoolVar(&o.Routes, "routes", false, "keep routes to the pod networks of the other nodes")
	fs.StringVar(&allow, "host-path-allow", "/sys,/proc,/dev,/lib/modules",
		"hostPath volumes below these paths are the machine's own; others live in DIR/rootfs")
	fs.DurationVar(&o.BackoffBase, "backoff-base", 200*time.Millisecond, "pause before the first restart of a container")
	fs.DurationVar(&o.BackoffMax, "backoff-max", 10*time.Second, "longest pause between restarts")
	fs.IntVar(&o.CPUs, "cpus", 16, "CPUs to report")
	fs.IntVar(&o.Pods, "pods", 250, "pods to report as capacity")
	fs.StringVar(&o.Memory, "memory", "64Gi", "memory to report")
	fs.BoolVar(&o.DieWithParent, "die-with-parent", false, "be killed when the parent process dies")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if o.Node == "" || ips == "" || o.Dir == "" || fs.NArg() != 0 {
		return o, fmt.Errorf("usage: kcp kubelet --node NAME --node-ip IP[,IP6] --dir DIR/nodes/NAME --images FILE [flags]")
	}
	return o, o.complete(ips, labels, dns, allow)
}

func (o *Options) complete(ips, labels, dns, allow string) error {
	var err error
	if o.NodeIPs, err = parseAddrs(ips); err != nil {
		return fmt.Errorf("--node-ip: %w", err)
	}
	if o.DNS, err = parseAddrs(dns); err != nil {
		return fmt.Errorf("--dns: %w", err)
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return fmt.Errorf("--dir: %w", err)
	}
	o.Labels = map[string]string{}
	for _, pair := range splitList(labels) {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return fmt.Errorf("--labels: %q is not key=value", pair)
		}
		o.Labels[key] = value
	}
	o.HostPathAllow = splitList(allow)
	return nil
}

func parseAddrs(list string) ([]netip.Addr, error) {
	var out []netip.Addr
	for _, text := range splitList(list) {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return nil, err
		}
		out = append(out, addr)
	}
	return out, nil
}

// splitList splits at commas and drops empty parts.
func splitList(list string) []string {
	var out []string
	for _, part := range strings.Split(list, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
