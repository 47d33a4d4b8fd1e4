package nft

import (
	"errors"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/l4proxy"
)

// movedTo are what is asked on the LAN: Services whose endpoint is on the node
// that had the address before, and on a third one, in both families.
var movedTo = []string{lanVIP4 + ":80", "[" + lanVIP6 + "]:80", "192.0.2.51:80", "[2001:db8:100::51]:80"}

// TestSecondChance: connections through the node that had the address before
// live on, both ways and to their end, while the node that has it now knows
// nothing of them; and they break without the second chance.
func TestSecondChance(t *testing.T) {
	l := newMovedLab(t)
	for _, addr := range movedTo {
		t.Run(addr, func(t *testing.T) {
			l.lab.t = t
			l.give(l.now, l4proxy.Chances{})
			l.broken(l.open(addr))

			l.give(l.now, l.chances(before4, before6, l.before))
			l.sameAsKernel(l.of["now"], l.table["now"](l.chances(before4, before6, l.before)))
			c, ends := l.open(addr), l.open(addr)
			l.alive(c)
			l.pour(l.open(addr))
			_ = ends.SetDeadline(time.Now().Add(time.Second)) // the one of its last word may be over
			if err := ends.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if _, err := ends.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("the end of a connection: %v, want the other side's end", err)
			}

			l.give(l.now, l4proxy.Chances{})
			l.broken(c)
		})
	}
}

// TestSecondChanceLeavesSYN: a connection that is opened after the move is the
// new node's, and not a packet of it goes to the one before.
func TestSecondChanceLeavesSYN(t *testing.T) {
	l := newMovedLab(t)
	seen := l.count(l.before, l.now)
	l.give(l.now, l.chances(before4, before6, l.before))
	l.move(l.client, l.now)
	l.expect(l.client, "tcp", "192.0.2.51:80", "pod3 "+now4) // masqueraded, by whom it went
	l.expect(l.client, "tcp", "[2001:db8:100::51]:80", "pod3 "+now6)
	talk := l.keepTalking(movedTo...)
	time.Sleep(50 * time.Millisecond)
	talk()
	if n := seen(); n != 0 {
		t.Errorf("%d packets of new connections went to the node before", n)
	}
}

// TestSecondChanceEndsThere: a packet that the node before does not know either
// ends there, or here when it comes back, and does not go round in circles.
func TestSecondChanceEndsThere(t *testing.T) {
	for name, before := range map[string]func(l *movedLab){
		"forgot the connection": func(l *movedLab) { l.forget(l.before) },
		"believes to be the owner": func(l *movedLab) {
			l.forget(l.before)
			l.give(l.before, l.chances(now4, now6, l.now))
		},
		"has no table": func(l *movedLab) {
			if err := l.of["before"].Remove(); err != nil {
				l.t.Fatal(err)
			}
			l.move(l.before, l.now) // as everybody on the LAN is told
		},
	} {
		t.Run(name, func(t *testing.T) {
			// To an endpoint of its own the node before would find the way again.
			for _, addr := range movedTo[2:] {
				l := newMovedLab(t)
				c := l.open(addr)
				before(l)
				back := l.count(l.now, l.before)
				l.give(l.now, l.chances(before4, before6, l.before))
				l.broken(c)
				if n := back(); n > 3 {
					t.Errorf("%s: %d packets came back from the node before", addr, n)
				}
			}
		})
	}
}

// TestCircle shows that the test above would see packets go round.
func TestCircle(t *testing.T) {
	l := newMovedLab(t)
	c := l.open(lanVIP4 + ":80")
	if err := l.of["before"].Remove(); err != nil {
		t.Fatal(err)
	}
	l.move(l.before, l.now)
	back := l.count(l.now, l.before)
	l.give(l.now, l.chances(before4, before6)) // no node is known
	if _, err := ask(c); outcome(err) != "silence" {
		t.Errorf("got %v, want silence", err)
	}
	if n := back(); n < 20 {
		t.Errorf("%d packets came back, want as many as the hop limit allows", n)
	}
}

// forget empties a node's connection table.
func (l *movedLab) forget(s space) {
	l.t.Helper()
	ct := &conntrack{netns: int(s.ns)}
	if err := ct.open(); err != nil {
		l.t.Fatal(err)
	}
	defer ct.close()
	var all []entry
	if err := ct.dump(0, 0, func(e entry) { all = append(all, e.clone()) }); err != nil {
		l.t.Fatal(err)
	}
	if _, err := ct.delete(all); err != nil {
		l.t.Fatal(err)
	}
}

// TestSecondChanceStays: it survives the process, and is restored with the
// rest when somebody flushes all rules.
func TestSecondChanceStays(t *testing.T) {
	l := newMovedLab(t)
	chances := l.chances(before4, before6, l.before)
	l.give(l.now, chances)
	conns := []net.Conn{l.open(movedTo[0]), l.open(movedTo[1])}
	l.of["now"] = l.forwarderOf(l.now)
	for _, c := range conns {
		l.alive(c)
	}
	l.give(l.now, chances)
	for _, c := range conns {
		l.alive(c)
	}
	l.nft(l.now, "flush ruleset")
	if err := l.of["now"].Inspect(); !errors.Is(err, ErrDisturbed) {
		t.Errorf("rules flushed: %v", err)
	}
	l.give(l.now, chances)
	l.sameAsKernel(l.of["now"], l.table["now"](chances))
	for _, c := range conns {
		l.alive(c)
	}
	elsewhere := l.chances("192.0.2.3", "2001:db8:100::3", l.pod3)
	l.give(l.now, elsewhere)
	l.sameAsKernel(l.of["now"], l.table["now"](elsewhere))
	if err := l.of["now"].Remove(); err != nil {
		t.Fatal(err)
	}
	if n := chainsOf(t, l.lab); n != 0 {
		t.Errorf("%d chains left", n)
	}
}

// TestWithoutDup: a kernel that cannot hand packets on forwards all the same,
// says what it lacks, and gives second chances once it can.
func TestWithoutDup(t *testing.T) {
	l := newMovedLab(t)
	l.of["now"] = l.forwarderOf(l.now)
	if lacks := l.of["now"].Lacks("n1"); len(lacks) != 0 {
		t.Errorf("this kernel lacks %v", lacks)
	}
	for _, fam := range l.of["now"].families {
		fam.dup = false
	}
	chances := l.chances(before4, before6, l.before)
	l.give(l.now, chances)
	for _, addr := range movedTo[:2] {
		l.broken(l.open(addr))
		l.expect(l.client, "tcp", movedTo[2], "pod3 "+now4)
	}
	lacks := l.of["now"].Lacks("n1")
	if len(lacks) != 2 || lacks[0].Field != "CONFIG_NFT_DUP_IPV4" || !strings.Contains(lacks[1].Remedy, "modprobe nft_dup_ipv6") {
		t.Errorf("lacks %v", lacks)
	}
	l.of["now"] = l.forwarderOf(l.now)
	l.give(l.now, chances)
	for _, addr := range movedTo[:2] {
		l.alive(l.open(addr))
	}
}

// TestOlderTable: a table of a version without second chances keeps its
// elements.
func TestOlderTable(t *testing.T) {
	l := newMovedLab(t)
	conn, err := (&kernel{netns: int(l.now.ns)}).open()
	if err != nil {
		t.Fatal(err)
	}
	fam := l.of["now"].families[0]
	conn.FlushTable(fam.table)
	conn.DelSet(fam.nodes)
	conn.DelSet(fam.chances)
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	l.renameMarker()
	if was, err := fam.shapeInKernel(conn); err != nil || !was.fits || was.sets[fam.chances.Name] {
		t.Fatalf("the table is %+v, %v", was, err)
	}
	l.of["now"] = l.forwarderOf(l.now)
	if err := fam.ensure(l.of["now"].kernel); err != nil {
		t.Fatal(err)
	}
	l.move(l.client, l.now)
	l.expect(l.client, "tcp", movedTo[2], "pod3 "+now4) // before any element is written again
	l.give(l.now, l.chances(before4, before6, l.before))
	l.alive(l.open(movedTo[0]))
}

// TestShown: the nft command prints the rules, which it is known to stumble over.
func TestShown(t *testing.T) {
	l := newMovedLab(t)
	l.give(l.now, l.chances(before4, before6, l.before))
	l.now.in(t, func() error {
		for _, fam := range []string{"ip", "ip6"} {
			out, err := exec.Command("nft", "list", "table", fam, TableName).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "dup to") || !strings.Contains(string(out), "@chances") {
				t.Errorf("nft list table %s: %v\n%s", fam, err, out)
			}
		}
		return nil
	})
}
