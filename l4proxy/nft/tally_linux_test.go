package nft

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// What becomes of new connections is counted by Service, from outside, from a pod
// and from the node itself; packets of a connection that is open are not.
func TestTallies(t *testing.T) {
	l := newLab(t)
	l.printRules()
	l.serve(l.pod1, 8080)
	l.serve(l.pod3, 8080)
	w, f := newWorld(), l.forwarder()
	c := &collector{forwarder: f, kernel: kernel{netns: int(l.node.ns)}}
	t.Cleanup(func() { c.kernel.close() })
	if got, err := c.Tallies(); err != nil || len(got) != 0 {
		t.Errorf("before the first table: %v, %v", got, err)
	}
	w.service("web", vip4+" "+vip6, "tcp:80:30080 udp:53")
	w.endpoints("web", "10.1.1.1:8080@node [fd01:1::1]:8080@node")
	w.service("some", "198.51.100.11", "tcp:80", func(s *config.Service) { s.SourceRanges, s.Affinity = prefixes("10.1.2.0/24"), 1 })
	w.endpoints("some", "10.1.1.1:8080@node")
	w.service("none", "198.51.100.12", "tcp:80 udp:53")
	w.endpoints("none", "")
	w.service("away", "198.51.100.13", "tcp:80", local)
	w.endpoints("away", "10.2.1.1:8080@node2")
	apply(t, f, w)

	open, err := l.dial(l.client, "tcp", "", vip4+":80")
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := ask(open); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []space{l.client, l.pod2, l.node} {
		l.get(s, "tcp", vip4+":80")
		l.get(s, "tcp", "["+vip6+"]:80")
		l.get(s, "tcp", "192.0.2.1:30080")
		l.get(s, "udp", vip4+":53")
		l.expect(s, "tcp", "198.51.100.12:80", "refused")
		l.expect(s, "udp", "198.51.100.12:53", "refused")
	}
	l.expect(l.pod2, "tcp", "198.51.100.11:80", "pod1 10.1.2.1")
	l.expect(l.client, "tcp", "198.51.100.11:80", "silence")
	l.expect(l.client, "tcp", "198.51.100.13:80", "silence")
	l.expect(l.pod2, "tcp", "198.51.100.13:80", "pod3 10.0.0.1")

	got, err := c.Tallies()
	if err != nil {
		t.Fatal(err)
	}
	// A client that hears nothing sends its SYN again, and each is a first packet.
	some, away := got[keyOf("some")], got[keyOf("away")]
	if some.Forwarded() != 1 || some.Foreign == 0 || away.Forwarded() != 1 || away.Dropped == 0 {
		t.Errorf("source ranges: %+v; policy Local: %+v", some, away)
	}
	if web, none := got[keyOf("web")], got[keyOf("none")]; web != (Tally{Taken: 13}) || none != (Tally{Refused: 6}) {
		t.Errorf("forwarded: %+v; no endpoints: %+v", web, none)
	}

	for _, fam := range []string{"ip", "ip6"} {
		l.node.in(t, func() error {
			out, err := exec.Command("nft", "list", "table", fam, TableName).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "@taken") {
				t.Errorf("nft list table %s: %v\n%.3000s", fam, err, out)
			}
			return nil
		})
	}

	// What is gone is forgotten, what stays counts on, also over a restart.
	w.delete("none")
	apply(t, f, w)
	f = l.forwarder()
	apply(t, f, w)
	c.forwarder = f
	l.get(l.client, "tcp", vip4+":80")
	if got, err = c.Tallies(); err != nil || got[keyOf("web")].Taken != 14 {
		t.Errorf("after a restart: %v, %v", got, err)
	}
	w.service("none", "198.51.100.12", "tcp:80 udp:53")
	w.endpoints("none", "")
	apply(t, f, w)
	if got, err = c.Tallies(); err != nil || got[keyOf("none")] != (Tally{}) {
		t.Errorf("a Service of that name again: %v, %v", got, err)
	}
}
