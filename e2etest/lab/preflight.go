package lab

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// need is a program the lab cannot do without.
type need struct {
	program string // name, or absolute path where it is not in PATH
	pkg     string // Debian package
	why     string
}

// frrNeeds are the daemons of an FRR router.
var frrNeeds = []need{
	{"/usr/lib/frr/zebra", "frr", "the FRR router"},
	{"/usr/lib/frr/bgpd", "frr", "the FRR router"},
	{"/usr/lib/frr/bfdd", "frr", "the FRR router"},
}

// HasFRR is nil where FRR is installed; the error names what is missing.
func HasFRR() error { return missingPrograms(frrNeeds) }

// Preflight checks that every program and kernel feature the topology wants is
// there, and names what is missing with the remedy.
func Preflight(topo Topology) error {
	needs := []need{{"nft", "nftables", "kube-proxy in nftables mode and logs"}}
	if len(topo.Of(FRR)) > 0 {
		needs = append(needs, frrNeeds...)
	}
	if len(topo.Of(BIRD)) > 0 {
		needs = append(needs, need{"bird", "bird2", "the BIRD router"}, need{"birdc", "bird2", "the BIRD router"})
	}
	if err := missingPrograms(needs); err != nil {
		return err
	}
	return missingSysctls([]need{
		{"/proc/sys/net/ipv4/ip_forward", "CONFIG_INET", "IPv4"},
		{"/proc/sys/net/ipv6/conf/all/forwarding", "CONFIG_IPV6", "IPv6; boot without ipv6.disable=1"},
	})
}

func missingPrograms(needs []need) error {
	var lines, packages []string
	for _, n := range needs {
		if _, err := exec.LookPath(n.program); err == nil {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s is missing (for %s)", n.program, n.why))
		if len(packages) == 0 || packages[len(packages)-1] != n.pkg {
			packages = append(packages, n.pkg)
		}
	}
	if lines == nil {
		return nil
	}
	return fmt.Errorf("%s; install it with: apt-get install -y %s", strings.Join(lines, "; "), strings.Join(packages, " "))
}

func missingSysctls(needs []need) error {
	for _, n := range needs {
		if _, err := os.Stat(n.program); err != nil {
			return fmt.Errorf("the kernel lacks %s (%s): %w", n.pkg, n.why, err)
		}
	}
	return nil
}
