package nft

import (
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// External IPs inside the allowed ranges are forwarded, those of the node's own
// too; other ports of them are left alone, and so are all other addresses.
func TestExternalIPs(t *testing.T) {
	l := newLab(t)
	l.printRules()
	l.serve(l.pod1, 8080)
	l.serve(l.pod2, 8080)
	l.serve(l.pod3, 8080)
	l.serve(l.node, 9090)
	l.route(l.client, "203.0.113.0/24 192.0.2.1 2001:db8:203::/64 2001:db8:1::1")
	w, f := newWorld(), l.forwarder()
	w.extern = prefixes("203.0.113.0/28 2001:db8:203::/64 192.0.2.1/32")
	extern := func(list string, made int64) func(*config.Service) {
		return func(s *config.Service) {
			s.Type, s.ExternalIPs, s.Created = config.ClusterIP, addrs(list), time.Unix(made, 0)
		}
	}
	w.service("elder", "", "tcp:80 udp:53", extern("203.0.113.1 2001:db8:203::1 203.0.113.99 192.0.2.1", 1))
	w.endpoints("elder", "10.1.1.1:8080@node [fd01:1::1]:8080@node")
	w.service("younger", "", "tcp:80 tcp:81", extern("203.0.113.1", 2))
	w.endpoints("younger", "10.1.2.1:8080@node")
	w.service("far", "", "tcp:80", extern("203.0.113.2", 3), local)
	w.endpoints("far", "10.2.1.1:8080@node2")
	apply(t, f, w)
	for range 4 {
		l.expect(l.client, "tcp", "203.0.113.1:80", "pod1 192.0.2.2")
	}
	l.expect(l.client, "udp", "203.0.113.1:53", "pod1 192.0.2.2")
	l.expect(l.client, "tcp", "[2001:db8:203::1]:80", "pod1 2001:db8:1::2")
	l.expect(l.pod2, "tcp", "203.0.113.1:80", "pod1 10.1.2.1")
	l.expect(l.client, "tcp", "203.0.113.1:81", "pod2 192.0.2.2") // the elder does not want it
	l.expect(l.client, "tcp", "203.0.113.1:82", "silence")        // not refused: somebody else's
	l.expect(l.client, "tcp", "203.0.113.99:80", "silence")       // not allowed
	l.expect(l.client, "tcp", "203.0.113.2:80", "silence")        // policy Local
	l.expect(l.pod2, "tcp", "203.0.113.2:80", "pod3 10.0.0.1")
	l.expect(l.client, "tcp", "192.0.2.1:80", "pod1 192.0.2.2")
	l.expect(l.client, "tcp", "192.0.2.1:9090", "node 192.0.2.2")
	l.expect(l.client, "tcp", "192.0.2.1:83", "refused") // by nobody but the node itself

	w.extern = nil
	apply(t, f, w)
	l.sameAsKernel(f, w.table())
	l.expect(l.client, "tcp", "203.0.113.1:80", "silence")
	l.expect(l.client, "tcp", "192.0.2.1:80", "refused")
}
