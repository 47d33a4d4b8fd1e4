package announce

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"

	"github.com/steelyard-lb/steelyard/config/host"
)

// DefaultExcludedLinks are regular expressions for the names of virtual and
// CNI interfaces, on which announcing makes no sense.
var DefaultExcludedLinks = []string{
	"^docker.*", "^cbr.*", "^dummy.*", "^virbr.*", "^lxcbr.*", "^veth.*", "^lo$",
	"^cali.*", "^tunl.*", "^flannel.*", "^kube-ipvs.*", "^cni.*", "^nodelocaldns.*",
	"^lxc.*", "^cilium.*", "^vxlan.*", "^weave.*", "^antrea-gw.*", "^podman.*",
}

// LinkPatterns are compiled patterns of interface names. The zero value
// matches nothing.
type LinkPatterns []*regexp.Regexp

// ParseLinkPatterns compiles regular expressions (RE2 syntax, unanchored as
// MetalLB's excludel2 list). The error names the one that does not compile.
func ParseLinkPatterns(patterns []string) (LinkPatterns, error) {
	out := make(LinkPatterns, 0, len(patterns))
	for _, p := range patterns {
		re, err := regexp.Compile(p)
		if err != nil {
			return nil, fmt.Errorf("interface pattern %q: %w", p, err)
		}
		out = append(out, re)
	}
	return out, nil
}

// Match tells whether a pattern matches name.
func (p LinkPatterns) Match(name string) bool {
	return slices.ContainsFunc(p, func(re *regexp.Regexp) bool { return re.MatchString(name) })
}

// UsableLinks returns the interfaces of this host that may carry layer 2
// announcements, with their subnets: up, Ethernet, no bridge or bond port (its
// master speaks for it) and not excluded. It is what a node tells the others
// about itself; the result is never nil.
func UsableLinks(s host.State, excluded LinkPatterns) []Link {
	kinds := make(map[string]string, len(s.Links))
	for _, l := range s.Links {
		kinds[l.Name] = l.Kind
	}
	out := []Link{}
	for _, l := range s.Links {
		port := l.Master != "" && kinds[l.Master] != "vrf" // a VRF's members keep their own layer 2
		if !l.Up || l.Loopback || len(l.MAC) != 6 || port || excluded.Match(l.Name) {
			continue
		}
		out = append(out, Link{Name: l.Name, Prefixes: subnets(l.Prefixes), MAC: [6]byte(l.MAC)})
	}
	return out
}

// subnets are the masked prefixes in which neighbours can live: link-local
// ones say nothing, and a host route has no neighbours.
func subnets(prefixes []netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range prefixes {
		if p.IsSingleIP() || p.Addr().IsLinkLocalUnicast() {
			continue
		}
		if m := p.Masked(); !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out
}

// permitted tells whether an advertisement that names interfaces covers link
// name; no names means all.
func permitted(interfaces []string, name string) bool {
	return len(interfaces) == 0 || slices.Contains(interfaces, name)
}
