package kubelet

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	v1 "k8s.io/api/core/v1"
)

// etcFiles are the files in /etc that each pod has of its own.
var etcFiles = []string{"hosts", "hostname", "resolv.conf"}

func writeEtc(dir string, pod *v1.Pod, hostname string, ips []netip.Addr, o *Options) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	machine := func(name string) string {
		text, _ := os.ReadFile("/etc/" + name)
		return string(text)
	}
	content := map[string]string{
		"hostname":    hostname + "\n",
		"hosts":       hostsFile(pod, hostname, ips, machine("hosts")),
		"resolv.conf": resolvConf(pod, o, machine("resolv.conf")),
	}
	for name, text := range content {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return fmt.Errorf("write the pod's %s: %w", name, err)
		}
	}
	return nil
}

func hostsFile(pod *v1.Pod, hostname string, ips []netip.Addr, machine string) string {
	var b strings.Builder
	if pod.Spec.HostNetwork {
		b.WriteString(machine)
	} else {
		b.WriteString("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")
		names := hostname
		if pod.Spec.Subdomain != "" {
			names = fmt.Sprintf("%s.%s.%s.svc.%s\t%s", hostname, pod.Spec.Subdomain, pod.Namespace, "cluster.local", hostname)
		}
		for _, ip := range ips {
			fmt.Fprintf(&b, "%v\t%s\n", ip, names)
		}
	}
	for _, alias := range pod.Spec.HostAliases {
		fmt.Fprintf(&b, "%s\t%s\n", alias.IP, strings.Join(alias.Hostnames, "\t"))
	}
	return b.String()
}

// resolvConf follows dnsPolicy: the cluster's DNS with its search list, the
// machine's, or only what dnsConfig says.
func resolvConf(pod *v1.Pod, o *Options, machine string) string {
	policy := pod.Spec.DNSPolicy
	if policy == v1.DNSClusterFirst && pod.Spec.HostNetwork {
		policy = v1.DNSDefault
	}
	var servers, search, options []string
	switch {
	case policy == v1.DNSNone:
	case policy == v1.DNSDefault || len(o.DNS) == 0:
		if pod.Spec.DNSConfig == nil {
			return machine
		}
		servers, search, options = parseResolvConf(machine)
	default:
		for _, a := range o.DNS {
			servers = append(servers, a.String())
		}
		search = []string{pod.Namespace + ".svc." + o.ClusterDomain, "svc." + o.ClusterDomain, o.ClusterDomain}
		options = []string{"ndots:5"}
	}
	if c := pod.Spec.DNSConfig; c != nil {
		servers = append(servers, c.Nameservers...)
		search = append(search, c.Searches...)
		for _, opt := range c.Options {
			options = append(withoutOption(options, opt.Name), optionText(opt))
		}
	}
	var b strings.Builder
	for _, s := range servers {
		fmt.Fprintf(&b, "nameserver %s\n", s)
	}
	if len(search) > 0 {
		fmt.Fprintf(&b, "search %s\n", strings.Join(search, " "))
	}
	if len(options) > 0 {
		fmt.Fprintf(&b, "options %s\n", strings.Join(options, " "))
	}
	return b.String()
}

func optionText(o v1.PodDNSConfigOption) string {
	if o.Value == nil {
		return o.Name
	}
	return o.Name + ":" + *o.Value
}

func withoutOption(options []string, name string) []string {
	var out []string
	for _, o := range options {
		if have, _, _ := strings.Cut(o, ":"); have != name {
			out = append(out, o)
		}
	}
	return out
}

func parseResolvConf(text string) (servers, search, options []string) {
	for _, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "nameserver":
			servers = append(servers, words[1])
		case "search":
			search = words[1:]
		case "options":
			options = append(options, words[1:]...)
		}
	}
	return servers, search, options
}
