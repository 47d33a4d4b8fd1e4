package network

import (
	"fmt"

	"github.com/vishvananda/netlink"
)

// Wire lays a cable between two hosts, without a switch, up at both ends; each
// end is named as seen from its own host.
func Wire(a *Netns, linkA string, b *Netns, linkB string) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = linkA
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: linkB, PeerNamespace: netlink.NsFd(b.handle)}
	if err := a.nl.LinkAdd(veth); err != nil {
		return fmt.Errorf("lay a cable from %s to %s (needs CONFIG_VETH): %w", a.Name, b.Name, err)
	}
	for end, link := range map[*Netns]string{a: linkA, b: linkB} {
		l, err := end.nl.LinkByName(link)
		if err != nil {
			return fmt.Errorf("link %s in %s: %w", link, end.Name, err)
		}
		if err := end.nl.LinkSetUp(l); err != nil {
			return fmt.Errorf("link %s in %s: %w", link, end.Name, err)
		}
	}
	return nil
}
