package member

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/hashicorp/memberlist"

	"github.com/steelyard-lb/steelyard/speaker/keys"
)

// A second process with the name of a member disturbs nobody: the one that was
// there first stays alive for all.
func TestNamesakeIsKeptOut(t *testing.T) {
	g := group(t, false, 2, 0)
	at := addrs(t, false, 3)
	for range 3 { // it insists
		twin := startChild(t, task{Node: "n1", Addr: at[2], Keys: keys.Ring{"secret"}, Peers: []netip.AddrPort{g[0].task.Addr, g[1].task.Addr}})
		time.Sleep(700 * time.Millisecond)
		if err := twin.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range g {
		if got := c.text(); got != "n1 n2" || c.deaths() > 0 {
			t.Errorf("%s sees %q, deaths %d", c.task.Node, got, c.deaths())
		}
	}
}

// Two members with one name are told of once in ten minutes, not with each of
// their words.
func TestNamesakeIsLoggedOnce(t *testing.T) {
	var text strings.Builder
	d := &delegate{self: "n1", log: log.NewLogfmtLogger(&text)}
	first := &memberlist.Node{Name: "n2", Addr: net.IPv4(192, 0, 2, 2), Port: 7956}
	for i := range byte(100) {
		d.NotifyConflict(first, &memberlist.Node{Name: "n2", Addr: net.IPv4(192, 0, 2, 3+i%2), Port: 7956})
	}
	if n := strings.Count(text.String(), "two members have the same node name"); n != 2 {
		t.Errorf("%d lines:\n%s", n, text.String())
	}
}
