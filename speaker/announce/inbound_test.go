package announce

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/host"
)

func TestInbound(t *testing.T) {
	all := []config.Received{
		{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Longest: 32}, {Prefix: netip.MustParsePrefix("::/0"), Longest: 128},
	}
	session := func(name string, take []config.Received) Session {
		return Session{Peer: &config.Peer{Name: name, ToReceive: take}, Routes: []Route{{Prefix: netip.MustParsePrefix("198.51.100.7/32")}}}
	}
	sessions := []Session{
		session("a", all), session("b", all), session("deaf", nil),
		session("some", []config.Received{{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Shortest: 8, Longest: 16}}),
	}
	state := host.State{Links: []host.Link{{Name: "eth0", Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.5/24"), netip.MustParsePrefix("fe80::1/64")}}}}
	for name, c := range map[string]struct{ sent, want string }{
		"both families":               {"a 10.1.0.0/16 192.0.2.1, a 2001:db8::/32 fe80::2%eth0", "10.1.0.0/16 via 192.0.2.1 of a, 2001:db8::/32 via fe80::2%eth0 of a"},
		"IPv4 by IPv6":                {"a 10.1.0.0/16 fe80::2%eth0", "10.1.0.0/16 via fe80::2%eth0 of a"},
		"two alike share":             {"b 0.0.0.0/0 192.0.2.2, a 0.0.0.0/0 192.0.2.1", "0.0.0.0/0 via 192.0.2.1 192.0.2.2 of a b"},
		"one of two sessions":         {"a 0.0.0.0/0 192.0.2.1, b 0.0.0.0/0 192.0.2.1", "0.0.0.0/0 via 192.0.2.1 of a"},
		"the shorter path":            {"a 0.0.0.0/0 192.0.2.1 0 2, b 0.0.0.0/0 192.0.2.2 0 1", "0.0.0.0/0 via 192.0.2.2 of b"},
		"LOCAL_PREF before the path":  {"a 0.0.0.0/0 192.0.2.1 200 2, b 0.0.0.0/0 192.0.2.2 100 1", "0.0.0.0/0 via 192.0.2.1 of a"},
		"the lower MED":               {"a 0.0.0.0/0 192.0.2.1 0 1 9, b 0.0.0.0/0 192.0.2.2 0 1 5", "0.0.0.0/0 via 192.0.2.2 of b"},
		"not asked for":               {"deaf 10.1.0.0/16 192.0.2.1", ""},
		"as far as asked for":         {"some 10.1.0.0/16 192.0.2.1, some 10.1.2.0/24 192.0.2.1, some 11.0.0.0/8 192.0.2.1", "10.1.0.0/16 via 192.0.2.1 of some"},
		"of a session that is gone":   {"old 10.1.0.0/16 192.0.2.1", ""},
		"no use of the next hop":      {"a 10.1.0.0/16 -", ""},
		"a subnet on a link":          {"a 192.0.2.0/24 192.0.2.1, a 192.0.2.128/25 192.0.2.1, a fe80::/64 2001:db8::1", ""},
		"more than a subnet":          {"a 192.0.0.0/16 192.0.2.1", "192.0.0.0/16 via 192.0.2.1 of a"},
		"what is offered here":        {"a 198.51.100.7/32 192.0.2.1, a 198.51.100.8/32 192.0.2.1", "198.51.100.8/32 via 192.0.2.1 of a"},
		"multicast":                   {"a 224.0.0.0/4 192.0.2.1, a ff00::/8 2001:db8::1", ""},
		"another's better is no loss": {"a 10.1.0.0/16 192.0.2.1 0 2, a 10.2.0.0/16 192.0.2.1, b 10.1.0.0/16 - 0 1", "10.1.0.0/16 via 192.0.2.1 of a, 10.2.0.0/16 via 192.0.2.1 of a"},
	} {
		var got []string
		for _, w := range Inbound(sessions, sent(t, c.sent), state) {
			got = append(got, fmt.Sprintf("%v via %s of %s", w.Prefix, strings.Trim(fmt.Sprint(w.Via), "[]"), strings.Join(w.Peers, " ")))
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: got %q, want %q", name, strings.Join(got, ", "), c.want)
		}
	}
}

// Routes that are asked for and lead nowhere are told of, by peer.
func TestDeadEnds(t *testing.T) {
	ten := []config.Received{{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Shortest: 8, Longest: 16}}
	sessions := []Session{{Peer: &config.Peer{Name: "a", ToReceive: ten}}, {Peer: &config.Peer{Name: "b", ToReceive: ten}}, {Peer: &config.Peer{Name: "deaf"}}}
	got := DeadEnds(sessions, sent(t, "a 10.1.0.0/16 -, a 10.2.0.0/16 192.0.2.1, a 10.3.0.0/16 -, a 11.0.0.0/8 -, b 10.1.0.0/16 192.0.2.2, deaf 10.1.0.0/16 -"))
	if len(got) != 1 || got[0].Object.Name != "a" || !strings.Contains(got[0].Message, "2 of the routes") || !strings.Contains(got[0].Message, "10.1.0.0/16") {
		t.Errorf("got %v", got)
	}
}

// sent reads routes: peer, prefix, next hop ("-": none), and perhaps LOCAL_PREF,
// length of the AS path, MED.
func sent(t *testing.T, text string) map[string][]Learnt {
	t.Helper()
	out := map[string][]Learnt{}
	for route := range strings.SplitSeq(text, ", ") {
		var peer, prefix, hop string
		var l Learnt
		n, _ := fmt.Sscan(route, &peer, &prefix, &hop, &l.LocalPref, &l.Length, &l.MED)
		if n < 3 {
			t.Fatalf("%q: want peer, prefix and next hop", route)
		}
		l.Prefix = netip.MustParsePrefix(prefix)
		if hop != "-" {
			l.NextHop = netip.MustParseAddr(hop)
		}
		out[peer] = append(out[peer], l)
	}
	return out
}
