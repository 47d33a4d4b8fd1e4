package member

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/go-kit/log"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/keys"
)

// taken are n takeovers of node, of both families.
func taken(node string, n int) (out []announce.Takeover) {
	for i := range n {
		addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
		if i%2 == 1 {
			addr = netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i))
		}
		out = append(out, announce.Takeover{Addr: addr, Node: node, Epoch: int64(i + 1)})
	}
	return out
}

// hears waits until p has heard all of want.
func (p *peer) hears(t *testing.T, want []announce.Takeover) {
	t.Helper()
	p.hearsTold(t, want, func() {})
}

// hearsTold is hears of what is told again each second, as the agent does: gossip
// goes by UDP, and a packet may get lost.
func (p *peer) hearsTold(t *testing.T, want []announce.Takeover, tell func()) {
	t.Helper()
	missing, deadline, again := slices.Clone(want), time.After(10*time.Second), time.Tick(time.Second)
	for len(missing) > 0 {
		select {
		case <-again:
			tell()
		case got := <-p.Takeovers():
			missing = slices.DeleteFunc(missing, func(w announce.Takeover) bool { return slices.Contains(got, w) })
		case <-deadline:
			t.Fatalf("%s did not hear %v", p.cfg.Node, missing)
		}
	}
}

// What a member takes over all others hear, and hear again when it is told again.
func TestTakeoversAreTold(t *testing.T) {
	peers := trio(t, keys.Ring{"secret"})
	for _, n := range []int{1, 200, 1} {
		all := taken("n1", n)
		start := time.Now()
		tell := func() { peers[0].TellTakeovers(all) }
		tell()
		peers[1].hearsTold(t, all, tell)
		peers[2].hearsTold(t, all, tell)
		t.Logf("%d takeovers told within %v", n, time.Since(start))
	}
	select {
	case got := <-peers[0].Takeovers():
		t.Errorf("n1 hears of its own: %v", got)
	default:
	}
}

// Records are told once, and those written one after the other do not displace
// each other. Who comes later hears of all of them, too.
func TestRecordsAreTold(t *testing.T) {
	peers := trio(t, keys.Ring{"secret"})
	all := taken("n1", 200)
	for i := range all {
		all[i].Written = true
	}
	for part := range slices.Chunk(all, 3) {
		peers[0].TellTakeovers(part)
	}
	peers[1].hears(t, all)
	peers[2].hears(t, all)
}

// Who comes later is told of all records, by whoever wrote them, but of his own.
func TestLatecomersAreTold(t *testing.T) {
	at := addrs(t, false, 2)
	ring := keys.Ring{"secret"}
	claims := map[netip.Addr]*config.L2Claim{}
	var want []announce.Takeover
	for i, o := range taken("n3", 10_000) {
		o.Addr = netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
		o.Node, o.Written = fmt.Sprint("n", 2+i%3), true
		claims[o.Addr] = &config.L2Claim{Addr: o.Addr, Owner: o.Node, Epoch: o.Epoch}
		if o.Node != "n2" {
			want = append(want, o)
		}
	}
	n1 := startPeer(t, "n1", at[0], ring, at)
	n1.Share(config.TableOf(claims))
	n2 := startPeer(t, "n2", at[1], ring, at)
	n2.hears(t, want)
}

// News are passed on, once; what is old, one's own or cannot be read is not.
func TestTidingsArePassedOn(t *testing.T) {
	d := newDelegate("n2", log.NewNopLogger(), nil)
	hear := func(text string) (passed, heard int) {
		d.NotifyMsg([]byte(text))
		for range 100 {
			passed += len(d.GetBroadcasts(0, 1400))
		}
		select {
		case got := <-d.takeovers.C():
			heard = len(got)
		default:
		}
		return passed, heard
	}
	const first = `{"n":"n1","p":0,"s":10,"t":[{"a":"192.0.2.1","e":1},{"a":"2001:db8::1","e":7}]}`
	for _, tt := range []struct {
		text          string
		passed, heard int
	}{
		{first, 4, 2},
		{first, 0, 0},
		{`{"n":"n1","p":0,"s":9,"t":[{"a":"192.0.2.1","e":1}]}`, 0, 0},
		{`{"n":"n1","p":1,"s":10,"t":[{"a":"192.0.2.3","e":1}]}`, 4, 1},
		{`{"n":"n1","p":0,"s":11,"t":[{"a":"192.0.2.1","e":0},{"a":"","e":3}]}`, 4, 0},
		{`{"n":"n1","r":7,"p":0,"s":1,"t":[{"a":"192.0.2.1","e":1}]}`, 4, 1}, // a new process of n1
		{`{"n":"n1","r":7,"p":0,"s":1,"t":[{"a":"192.0.2.1","e":1}]}`, 0, 0},
		{`{"n":"n1","p":0,"s":11,"t":[{"a":"192.0.2.1","e":1}]}`, 0, 0}, // the former one, late
		{`{"n":"n1","r":7,"p":0,"s":2,"t":[{"a":"192.0.2.1","e":1}]}`, 4, 1},
		{`{"n":"n2","p":0,"s":12,"t":[{"a":"192.0.2.1","e":1}]}`, 0, 0},
		{`{"n":"","p":0,"s":12,"t":[{"a":"192.0.2.1","e":1}]}`, 0, 0},
		{`{"n":"n1","p":0,"s":13,"t":[{"a":"192.0.2","e":1}]}`, 0, 0},
		{`{"n":"n1","r":7,"p":1048576,"s":3,"w":true,"t":[{"a":"192.0.2.1","e":1}]}`, 8, 1}, // written
		{`{"n":"n1","r":7,"p":1048576,"s":3,"w":true,"t":[{"a":"192.0.2.1","e":1}]}`, 0, 0},
		{`{"n":"n1","r":7,"p":1048577,"s":3,"w":true,"t":[{"a":"192.0.2.1","e":1}]}`, 8, 1},
		{"\x00\xff", 0, 0}, {"", 0, 0}, {"null", 0, 0},
	} {
		if passed, heard := hear(tt.text); passed != tt.passed || heard != tt.heard {
			t.Errorf("%q: passed on %d times and %d takeovers, want %d and %d", tt.text, passed, heard, tt.passed, tt.heard)
		}
	}
}

// What an exchange of records brings that cannot be read, or is of this node, is
// left out.
func TestExchangesAreRead(t *testing.T) {
	for text, want := range map[string]string{
		`[{"n":"n1","t":[{"a":"192.0.2.1","e":1},{"a":"2001:db8::1","e":7}]},{"n":"n3","t":[{"a":"192.0.2.3","e":2}]}]`: "[{192.0.2.1 n1 1 true} {2001:db8::1 n1 7 true} {192.0.2.3 n3 2 true}]",
		`[{"n":"n2","t":[{"a":"192.0.2.1","e":1}]},{"n":"","t":[{"a":"192.0.2.1","e":1}]}]`:                             "[]",
		`[{"n":"n1","t":[{"a":"192.0.2.1","e":0},{"a":"","e":3}]}]`:                                                     "[]",
		`[{"n":"n1","t":[{"a":"192.0.2","e":1}]}]`:                                                                      "[]",
		`{"n":"n1"}`: "[]", "\x00\xff": "[]", "": "[]", "null": "[]",
	} {
		d := newDelegate("n2", log.NewNopLogger(), nil)
		d.MergeRemoteState([]byte(text), true)
		got := []announce.Takeover{}
		select {
		case got = <-d.takeovers.C():
		default:
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%q: heard %v, want %s", text, got, want)
		}
	}
	if text := newDelegate("n2", log.NewNopLogger(), nil).LocalState(true); text != nil {
		t.Errorf("told %q without a record", text)
	}
}

// A message fits beside others into one packet.
func TestTidingsFit(t *testing.T) {
	d := newDelegate("n2", log.NewNopLogger(), nil)
	long := make([]announce.Takeover, 5*perTiding)
	for i := range long {
		long[i] = announce.Takeover{Addr: netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, byte(i)}), Epoch: 1 << 60}
	}
	m := &Membership{cfg: Config{Node: fmt.Sprintf("%063d", 1)}, d: d}
	m.TellTakeovers(long)
	count := 0
	for range 100 {
		count += len(d.GetBroadcasts(3, 1398))
	}
	if count != 4*5 {
		t.Errorf("%d messages passed on, want %d", count, 4*5)
	}
}
