package layer2

import (
	"net/netip"
	"testing"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"golang.org/x/net/bpf"
)

// crowd is a site with a thousand addresses of each family.
func crowd() *site {
	s, addrs := here(), refreshes{}
	a4, a6 := netip.MustParseAddr("192.0.2.0"), netip.MustParseAddr("2001:db8::")
	for range 1000 {
		addrs[a4], addrs[a6] = 0, 0
		a4, a6 = a4.Next(), a6.Next()
	}
	s.claims = claimSet{s.link: addrs}
	return s
}

// BenchmarkAnswer is what a request costs from the frame read to the frame to
// send.
func BenchmarkAnswer(b *testing.B) {
	for _, bb := range []struct {
		name  string
		read  func([]byte, hardware) (question, drop)
		frame []byte
	}{
		{"arp", readARP, arpRequest(b, arp.OperationRequest, "192.0.2.1", "192.0.2.100", theirMAC, ethernet.Broadcast)},
		{"ndp", readNDP, solicit(b, peer6, netip.MustParseAddr("ff02::1:ff00:100"), "2001:db8::100")},
	} {
		b.Run(bb.name, func(b *testing.B) {
			s := crowd()
			delete(s.claims[s.link], netip.MustParseAddr("192.0.2.1"))
			delete(s.claims[s.link], peer6)
			b.ReportAllocs()
			for b.Loop() {
				q, why := bb.read(bb.frame, s.link.mac)
				if why == "" {
					_, _, why = s.answer(q)
				}
				if why != "" {
					b.Fatal(why)
				}
			}
		})
	}
}

// BenchmarkFilterSteps counts the instructions that a foreign request costs the
// kernel when a thousand scattered addresses are claimed.
func BenchmarkFilterSteps(b *testing.B) {
	match := matchARP(scattered(1000))
	vm, err := bpf.NewVM(match)
	if err != nil {
		b.Fatal(err)
	}
	frame := arpRequest(b, arp.OperationRequest, "172.16.0.1", "10.0.1.5", theirMAC, ethernet.Broadcast)
	for b.Loop() {
		if _, err := vm.Run(frame); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(match)), "instructions")
}
