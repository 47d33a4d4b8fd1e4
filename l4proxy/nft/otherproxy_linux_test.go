package nft

import (
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// A Service that another proxy forwards is none of ours: its address, its node
// port and all that comes to them belong to whoever serves it. The label may
// come and go.
func TestOtherProxy(t *testing.T) {
	l := newLab(t)
	l.printRules()
	l.serve(l.pod1, 8080)
	l.serve(l.pod2, 8080)
	l.nft(l.node, `
table ip other-proxy {
	chain pre { type nat hook prerouting priority dstnat;
		ip daddr 198.51.100.10 tcp dport 80 dnat to 10.1.2.1:8080
	}
}`)
	w, f := newWorld(), l.forwarder()
	for range 2 {
		w.service("s", vip4, "tcp:80:30080")
		w.endpoints("s", "10.1.1.1:8080@node")
		apply(t, f, w)
		l.sameAsKernel(f, w.table())
		l.expect(l.client, "tcp", vip4+":80", "pod1 192.0.2.2")
		l.expect(l.client, "tcp", "192.0.2.1:30080", "pod1 192.0.2.2")
		l.expect(l.client, "tcp", vip4+":81", "refused")

		w.service("s", vip4, "tcp:80:30080", func(s *config.Service) { s.OtherProxy = true })
		apply(t, f, w)
		l.sameAsKernel(f, w.table())
		l.expect(l.client, "tcp", vip4+":80", "pod2 192.0.2.2")
		l.expect(l.client, "tcp", "192.0.2.1:30080", "refused") // nobody listens
		l.expect(l.client, "tcp", vip4+":81", "silence")
	}
}
