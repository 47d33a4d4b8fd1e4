package translate

import "net/netip"

// accessSettings are about who may come in.
var accessSettings = []setting{
	{name: "whitelist-source-range", gate: true, read: (*asked).readAllow},
	{name: "allowlist-source-range", gate: true, read: (*asked).readAllow},
	{name: "denylist-source-range", gate: true, read: func(a *asked, text string) (err error) {
		a.policy.Deny, err = prefixes(text)
		return err
	}},
}

// readAllow reads who may come in. A list of everybody, as cert-manager writes it on
// the Ingresses of its solvers, is none.
func (a *asked) readAllow(text string) (err error) {
	a.policy.Allow, err = prefixes(text)
	all4, all6 := false, false
	for _, p := range a.policy.Allow {
		all4 = all4 || p == netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		all6 = all6 || p == netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	if all4 && all6 {
		a.policy.Allow = nil
	}
	return err
}
