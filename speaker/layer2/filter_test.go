package layer2

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"golang.org/x/net/bpf"
)

// machine runs what a filter looks for, without the guards, which ask the
// kernel.
func machine(t testing.TB, match []bpf.Instruction) func(frame []byte) bool {
	t.Helper()
	if n := len(match) + len(guards); n > 4096 {
		t.Fatalf("%d instructions", n)
	}
	vm, err := bpf.NewVM(match)
	if err != nil {
		t.Fatal(err)
	}
	return func(frame []byte) bool {
		n, err := vm.Run(frame)
		return err == nil && n > 0
	}
}

func addr4Of(word uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, word)))
}

// Whatever addresses there are, a filter lets through what concerns them; and
// as long as they are not too many and scattered, nothing else.
func TestFilterIsExact(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 3, 7, 64, 65, 300, 850, 851, 1000, 5000} {
		ours, list := map[netip.Addr]bool{}, []netip.Addr{}
		for len(list) < n {
			word := 10<<24 | rnd.Uint32N(1<<22)
			for range 1 + rnd.IntN(3) { // some side by side
				if a := addr4Of(word); !ours[a] && len(list) < n {
					ours[a], list = true, append(list, a)
				}
				word++
			}
		}
		list = append(list, addr4Of(0xffffffff), addr4Of(1))
		ours[addr4Of(0xffffffff)], ours[addr4Of(1)] = true, true
		pass := machine(t, matchARP(list))
		request := arpRequest(t, arp.OperationRequest, "172.16.0.1", "10.0.0.1", theirMAC, ethernet.Broadcast)
		wrong := 0
		ask := func(a netip.Addr) {
			copy(request[arpTarget:], a.AsSlice())
			switch {
			case pass(request) == ours[a]:
			case ours[a]:
				t.Fatalf("%d addresses: nobody hears who asks for %v", n, a)
			default:
				wrong++
			}
		}
		for _, a := range list {
			ask(a)
		}
		for range 20_000 {
			ask(addr4Of(10<<24 | rnd.Uint32N(1<<22)))
		}
		if spans := len(spansOf(list, n+2)); spans <= maxTargets && wrong > 0 || wrong > 7000 {
			t.Errorf("%d addresses in %d ranges: %d of 20,000 foreign requests pass", n, spans, wrong)
		}
	}
}

func TestFilterBySender(t *testing.T) {
	pass := machine(t, matchARP([]netip.Addr{netip.MustParseAddr("192.0.2.100"), netip.MustParseAddr("192.0.2.110")}))
	for _, tt := range []struct {
		op           arp.Operation
		from, target string
		want         bool
	}{
		{arp.OperationRequest, "192.0.2.1", "192.0.2.100", true},
		{arp.OperationRequest, "192.0.2.1", "192.0.2.105", false},
		{arp.OperationReply, "192.0.2.1", "192.0.2.100", false}, // sent to us by whom we asked something
		{arp.OperationReply, "192.0.2.110", "192.0.2.1", true},  // says that he has it
		{arp.OperationRequest, "192.0.2.110", "192.0.2.1", true},
		{arp.OperationRequest, "0.0.0.0", "192.0.2.110", true},
	} {
		if got := pass(arpRequest(t, tt.op, tt.from, tt.target, theirMAC, ethernet.Broadcast)); got != tt.want {
			t.Errorf("operation %d from %s about %s: passes %v", tt.op, tt.from, tt.target, got)
		}
	}
	for cut := range 42 {
		if pass(arpRequest(t, arp.OperationRequest, "192.0.2.1", "192.0.2.100", theirMAC, ethernet.Broadcast)[:cut]) {
			t.Errorf("passes cut to %d bytes", cut)
		}
	}
}

func TestFilterNDP(t *testing.T) {
	pass := machine(t, matchNDP([]netip.Addr{netip.MustParseAddr("2001:db8::100"), netip.MustParseAddr("2001:db8:1::7")}))
	group := netip.MustParseAddr("ff02::1:ff00:100")
	for target, want := range map[string]bool{"2001:db8::100": true, "2001:db8:1::7": true, "2001:db8::101": false} {
		if pass(solicit(t, peer6, group, target)) != want || pass(advertise(t, theirMAC, target, allNodes)) != want {
			t.Errorf("%s: want %v", target, want)
		}
	}
	f := solicit(t, peer6, group, "2001:db8::100")
	f[54] = 133 // a router solicitation
	if pass(f) {
		t.Error("another message passes")
	}
}
