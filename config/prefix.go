package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// ParsePrefixes reads CIDRs such as 203.0.113.0/28.
func ParsePrefixes(list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range list {
		p, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("%q is no CIDR such as 203.0.113.0/28: %w", text, err)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}
