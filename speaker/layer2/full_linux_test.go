package layer2

import (
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/steelyard-lb/steelyard/config/host"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// stuff makes a link of the box take no more than a few dozen frames, until what
// it returns is called: those after them wait in its queue.
func (b *box) stuff(link string) (free func()) {
	b.t.Helper()
	l, err := b.nl.LinkByName(link)
	ok(b.t, err)
	queue := &netlink.Tbf{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: l.Attrs().Index, Parent: netlink.HANDLE_ROOT, Handle: netlink.MakeHandle(1, 0)},
		Rate:       8, Limit: 1 << 28, Buffer: 3_900_000_000, // 2,000 bytes at 8 bytes a second
	}
	ok(b.t, b.nl.QdiscAdd(queue))
	return func() { ok(b.t, b.nl.QdiscDel(queue)) }
}

// A link that takes no frames holds up nothing on another, and what it did not
// take is announced when it does. An address is not found free on a link that
// took no question.
func TestFullLink(t *testing.T) {
	sw, boxes := lan(t, "n1", "cl")
	b, seen := boxes["n1"], boxes["cl"].capture()
	sw.cable("pfull", b, "full")
	full := *b
	full.link = "full"
	free := b.stuff("full")
	n1 := b.respond()
	for _, on := range []*box{b, &full} {
		(&node{box: on}).waitUp()
	}
	keepBeating(t, n1)

	var state host.State
	ok(t, inside(b.ns, func() (err error) { state, err = host.Read(); return err }))
	var claims []announce.Claim
	for a := vip4; len(claims) < 200; a = a.Next() {
		claims = append(claims, announce.Claim{Addr: a, Links: []string{b.link, "full"}})
	}
	asked := netip.MustParseAddr("192.0.9.1")
	n1.r.Apply(claims, state)
	announced := func(mac, what string) {
		t.Helper()
		for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			heard, missing := seen.from(t, mac), 0
			for _, c := range claims {
				if heard[said{"announce request", all, c.Addr}] == 0 {
					missing++
				}
			}
			if missing == 0 {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d of %d not announced", what, missing, len(claims))
			}
		}
	}
	announced(b.mac(), "beside the full link")
	for deadline := time.Now().Add(10 * time.Second); n1.count("errors_total", "send") == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the link was never full")
		}
	}
	n1.r.Ask([]announce.Claim{{Addr: asked, Links: []string{"full"}}}, nil, state)
	time.Sleep(time.Second)
	if p, known := n1.r.Findings().Probes[asked]; known {
		t.Errorf("%v was found %+v on a link that took no question", asked, p)
	}

	free()
	announced(full.mac(), "when the link takes frames again")
	n1.waitFinding("when the link takes frames again", func(f Findings) bool { return f.Probes[asked].Free })
}
