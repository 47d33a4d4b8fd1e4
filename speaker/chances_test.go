package speaker

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/host"
	"github.com/steelyard-lb/steelyard/l4proxy"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

var addr6 = netip.MustParseAddr("2001:db8::10")

// moved are addresses that n1 has had from n2 for a minute.
func moved(now time.Time) *moves {
	lan := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/64")}
	member := func(name string, mac byte) announce.Member {
		return announce.Member{Node: name, Alive: true, Links: []announce.Link{{Name: "eth0", Prefixes: lan, MAC: [6]byte{2, mac}}}}
	}
	node := func(name, addrs string) *config.Node {
		n := &config.Node{Name: name}
		for _, a := range strings.Fields(addrs) {
			n.Addrs = append(n.Addrs, netip.MustParseAddr(a))
		}
		return n
	}
	record := func(addr netip.Addr) *config.L2Claim {
		return &config.L2Claim{Addr: addr, Owner: "n1", Previous: "n2", Epoch: 2, Since: now.Add(-time.Minute)}
	}
	return &moves{
		self:   "n1",
		claims: config.TableOf(map[netip.Addr]*config.L2Claim{addr4: record(addr4), addr6: record(addr6)}),
		nodes: config.TableOf(map[string]*config.Node{"n1": node("n1", "192.0.2.1 2001:db8::1"),
			"n2": node("n2", "203.0.113.2 192.0.2.2 2001:db8::2"), "n3": node("n3", "192.0.2.3 2001:db8::3")}),
		members: []announce.Member{member("n1", 1), member("n2", 2), member("n3", 3)},
		outages: outages{},
		host: host.State{Links: []host.Link{{Name: "eth0", Index: 7, Up: true, MAC: net.HardwareAddr{2, 1, 0, 0, 0, 0},
			Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8::1/64")}}}},
		links: []announce.Link{{Name: "eth0", Prefixes: lan, MAC: [6]byte{2, 1}}},
	}
}

// edit changes both records.
func (v *moves) edit(change func(*config.L2Claim)) {
	for addr, rec := range v.claims.All() {
		next := *rec
		change(&next)
		edit := v.claims.Edit()
		edit.Set(addr, &next)
		v.claims = edit.Done()
	}
}

// goBack gives both addresses to n2, which had them before.
func (v *moves) goBack(at time.Time) {
	v.edit(func(c *config.L2Claim) { c.Owner, c.Previous, c.Since = "n2", "n1", at })
}

func TestChances(t *testing.T) {
	now := time.Unix(10_000, 0)
	const both, four, none = "192.0.2.10→192.0.2.2%7 2001:db8::10→2001:db8::2%7", "192.0.2.10→192.0.2.2%7", ""
	for _, tt := range []struct {
		name string
		edit func(v *moves)
		want string
	}{
		{"a planned move", func(*moves) {}, both},
		{"nobody had it before", func(v *moves) { v.edit(func(c *config.L2Claim) { c.Previous = "" }) }, none},
		{"another node has it", func(v *moves) { v.self = "n3" }, none},
		{"this node had it before, too", func(v *moves) { v.edit(func(c *config.L2Claim) { c.Previous = "n1" }) }, none},
		{"it goes back", func(v *moves) { v.goBack(now.Add(-time.Second)) }, both},
		{"neighbours know that it went back", func(v *moves) { v.goBack(now.Add(-strayFor)) }, none},
		{"it went back to a node that is dead", func(v *moves) { v.goBack(now); v.members[1].Alive = false }, none},
		{"just before the time is over", func(v *moves) { v.edit(func(c *config.L2Claim) { c.Since = now.Add(time.Second - chanceFor) }) }, both},
		{"the time is over", func(v *moves) { v.edit(func(c *config.L2Claim) { c.Since = now.Add(-chanceFor) }) }, none},
		{"a clock that was set back", func(v *moves) { v.edit(func(c *config.L2Claim) { c.Since = now.Add(2 * chanceFor) }) }, none},
		{"the node before is dead", func(v *moves) { v.members[1].Alive = false }, none},
		{"it is no member", func(v *moves) { v.members = v.members[:1] }, none},
		{"it restarts", func(v *moves) { v.members[1].Restarting = true }, both},
		{"it leaves", func(v *moves) { v.members[1].Leaving = true }, both},
		{"it has been dead since", func(v *moves) { v.outages["n2"] = outage{last: now.Add(-time.Second), over: true} }, none},
		{"it was taken over from, dead", func(v *moves) { v.outages["n2"] = outage{last: now.Add(-time.Minute), over: true} }, none},
		{"it was dead long before", func(v *moves) { v.outages["n2"] = outage{last: now.Add(-2 * time.Minute), over: true} }, both},
		{"another one was dead", func(v *moves) { v.outages["n3"] = outage{last: now} }, both},
		{"it has no Node", func(v *moves) { v.nodes = config.Table[string, *config.Node]{} }, none},
		{"one family is behind a router", func(v *moves) { v.links[0].Prefixes = v.links[0].Prefixes[:1] }, four},
		{"no link of this node is usable", func(v *moves) { v.links = nil }, none},
		{"its interfaces are not known", func(v *moves) { v.members[1].Links = nil }, none},
		{"an older version tells no hardware address", func(v *moves) { v.members[1].Links[0].MAC = [6]byte{} }, none},
		{"its interface has no address there", func(v *moves) { v.members[1].Links[0].Prefixes = v.links[0].Prefixes[:1] }, four},
	} {
		v := moved(now)
		tt.edit(v)
		c, lapse := v.chances(now)
		if got := chancesText(c); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		if len(c.Hops) == 0 != lapse.IsZero() || len(c.Hops) == 0 != (len(c.Nodes) == 0) {
			t.Errorf("%s: %d hops, %d nodes, end at %v", tt.name, len(c.Hops), len(c.Nodes), lapse)
		}
	}
}

func chancesText(c l4proxy.Chances) string {
	var out []string
	for addr, hop := range c.Hops {
		out = append(out, fmt.Sprintf("%v→%v%%%d", addr, hop.Addr, hop.Link))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// All nodes but this one are known by their hardware addresses, and the first
// chance that ends says when.
func TestChancesNodesAndEnd(t *testing.T) {
	now := time.Unix(10_000, 0)
	v := moved(now)
	v.members[2].Links = append(v.members[2].Links, announce.Link{Name: "old"}, announce.Link{Name: "eth1", MAC: [6]byte{2, 2}})
	elder, _ := moved(now.Add(-time.Second)).claims.Get(addr6)
	edit := v.claims.Edit()
	edit.Set(addr6, elder)
	v.claims = edit.Done()
	c, lapse := v.chances(now)
	if want := []l4proxy.MAC{{2, 2}, {2, 3}}; !slices.Equal(c.Nodes, want) {
		t.Errorf("nodes %v, want %v", c.Nodes, want)
	}
	if want := now.Add(-time.Minute - time.Second + chanceFor); !lapse.Equal(want) {
		t.Errorf("ends at %v, want %v", lapse, want)
	}
}

func TestOutages(t *testing.T) {
	o, now := outages{}, time.Unix(10_000, 0)
	note := func(alive, leaving bool) {
		now = now.Add(time.Second)
		o.note([]announce.Member{{Node: "n2", Alive: alive, Leaving: leaving}}, now)
	}
	note(true, false)
	note(false, true) // said goodbye: the node lives
	if o.since("n2", time.Time{}) {
		t.Error("dead, and nobody saw it die")
	}
	note(false, false)
	note(true, false)
	back := now
	note(true, false)
	if !o.since("n2", back) || o.since("n2", now) {
		t.Errorf("back at %v: %+v", back, o)
	}
	now = now.Add(chanceFor)
	note(true, false)
	if len(o) != 0 {
		t.Errorf("not forgotten: %+v", o)
	}
}

// neighbours tells the agent that all nodes but the dead ones live, and how all
// are connected.
func (r *rig) neighbours(dead ...string) {
	var all []announce.Member
	for i, name := range sortedNames(r.nodes) {
		all = append(all, announce.Member{Node: name, Alive: !slices.Contains(dead, name), Links: []announce.Link{
			{Name: "eth0", Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, MAC: [6]byte{2, byte(i)}}}})
	}
	r.meets.Put(all)
}

// TestMoveKeepsConnections: the second chance is there before the address is
// answered for, goes when the node before dies, and when its time is over.
func TestMoveKeepsConnections(t *testing.T) {
	for _, end := range []string{"death", "time"} {
		taken(t, 3, func(r *rig) {
			r.neighbours()
			r.pass(0)
			r.set(func() { r.journal = nil })
			r.local(true) // n1 alone can serve, and n2 yields
			r.publishAll()
			r.pass(0)
			const with, without = "table 192.0.2.10 192.0.2.10→192.0.2.2", "table 192.0.2.10"
			lines := r.lines()
			if i, j := slices.Index(lines, with), slices.Index(lines, "answer 192.0.2.10"); i < 0 || j < i {
				t.Errorf("did %q, want %q before the answer", lines, with)
			}
			if end == "death" {
				r.kill("n2")
				r.pass(0)
			} else {
				r.pass(chanceFor - time.Minute)
				if r.shows("table") != strings.TrimPrefix(with, "table ") {
					t.Errorf("table %q before the time is over", r.shows("table"))
				}
				r.pass(time.Minute + 2*retryAfter)
			}
			if r.shows("table") != strings.TrimPrefix(without, "table ") {
				t.Errorf("%s: table %q, want no second chance", end, r.shows("table"))
			}
			if end == "death" {
				r.neighbours()
				r.pass(0)
				if r.shows("table") != strings.TrimPrefix(without, "table ") {
					t.Errorf("a second chance through a node that came back: table %q", r.shows("table"))
				}
			}
			if r.shows("answer") != "192.0.2.10" {
				t.Errorf("answers %q", r.shows("answer"))
			}
		})
	}
}

// TestRestartKeepsChances: a new process does not take second chances away that
// the kernel has of the one before, because it has not met the others yet. It
// does not wait for ever.
func TestRestartKeepsChances(t *testing.T) {
	for _, meets := range []bool{true, false} {
		story(t, 2, func(r *rig) {
			r.serve(web, addr4, "n1", "n2")
			r.record(addr4, "n1", 2)
			r.records[addr4].Previous, r.records[addr4].Since = "n2", time.Now()
			r.publishAll()
			r.meets.Put([]announce.Member{{Node: "n1", Alive: true, Joining: true}})
			r.linkUp()
			r.begin()
			r.pass(meetPatience - 10*time.Millisecond)
			if got := r.shows("table"); got != "" {
				t.Errorf("table %q of a node alone", got)
			}
			want := "192.0.2.10"
			if meets {
				r.neighbours()
				want = "192.0.2.10 192.0.2.10→192.0.2.2"
			}
			r.pass(2 * meetPatience)
			if got := r.shows("table"); got != want {
				t.Errorf("meets %v: table %q, want %q", meets, got, want)
			}
			r.stop()
		})
	}
}

// TestCrashKeepsConnections: an owner whose speaker crashed is given the time to
// be back. Then its address is taken over, and connections go on through it,
// since its kernel forwards.
func TestCrashKeepsConnections(t *testing.T) {
	taken(t, 3, func(r *rig) {
		r.exclude("n3") // n1 is the successor
		r.neighbours()
		r.beats(false, 0, "n2:vacant n3:up")
		r.pass(0)
		r.set(func() { r.journal = nil })
		r.neighbours("n2")
		r.pass(crashGrace - 2*reviewEvery)
		r.did()
		r.pass(3 * reviewEvery)
		r.did("table 192.0.2.10 192.0.2.10→192.0.2.2", "answer 192.0.2.10", "claim 192.0.2.10 epoch 5")
		r.beats(false, 0, "n3:up") // its host is silent, too
		r.pass(0)
		r.did("table 192.0.2.10")
	})
}

// TestTakeoverGivesNoChance: what was taken over from a dead node has none, nor
// when that node is back.
func TestTakeoverGivesNoChance(t *testing.T) {
	taken(t, 3, func(r *rig) {
		r.neighbours()
		r.pass(0)
		r.kill("n2", "n3")
		r.pass(5 * time.Second)
		r.neighbours()
		r.pass(time.Second)
		if r.owner(addr4) != "n1" || strings.Contains(r.shows("table"), "→") {
			t.Errorf("record %q, table %q", r.owner(addr4), r.shows("table"))
		}
	})
}
