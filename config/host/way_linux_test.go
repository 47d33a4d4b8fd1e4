package host

import (
	"net/netip"
	"os"
	"testing"

	"github.com/vishvananda/netlink"
)

// A host with a link to a router and one to pods: what comes from the router finds
// its way if the host forwards, and knows one.
func TestWay(t *testing.T) {
	inNamespace(t, func() {
		for link, addr := range map[string]string{"router": "10.9.0.11/24", "pods": "10.1.0.1/24"} {
			veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: link}, PeerName: link + "-end"}
			must(t, netlink.LinkAdd(veth))
			a, err := netlink.ParseAddr(addr)
			must(t, err)
			must(t, netlink.AddrAdd(veth, a))
			for _, name := range []string{link, link + "-end"} {
				l, err := netlink.LinkByName(name)
				must(t, err)
				must(t, netlink.LinkSetUp(l))
			}
		}
		router, pod, nobody := netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("10.1.0.7"), netip.MustParseAddr("203.0.113.1")
		if link, err := Way(pod, "", netip.Addr{}); link != "pods" {
			t.Errorf("from here by %q: %v", link, err)
		}
		forward := "/proc/sys/net/ipv4/ip_forward"
		must(t, os.WriteFile(forward, []byte("0"), 0))
		if link, err := Way(pod, "router", router); err == nil {
			t.Errorf("by %q although nothing is forwarded", link)
		}
		must(t, os.WriteFile(forward, []byte("1"), 0))
		if link, err := Way(pod, "router", router); link != "pods" {
			t.Errorf("from the router by %q: %v", link, err)
		}
		if link, err := Way(nobody, "router", router); err == nil {
			t.Errorf("by %q although no route leads there", link)
		}
	})
}
