package bgp

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

func TestTimers(t *testing.T) {
	for _, c := range []struct {
		hold, keepalive time.Duration
		h, k            uint64
	}{
		{0, 0, 90, 30}, {9 * time.Second, 0, 9, 3}, {0, 5 * time.Second, 15, 5},
		{9 * time.Second, 2 * time.Second, 9, 2}, {3 * time.Second, 0, 3, 1}, {0, 100 * time.Millisecond, 3, 1},
	} {
		if h, k := timers(c.hold, c.keepalive); h != c.h || k != c.k {
			t.Errorf("timers(%v, %v) = %d, %d, want %d, %d", c.hold, c.keepalive, h, k, c.h, c.k)
		}
	}
}

func TestCostOfAChange(t *testing.T) {
	base := settingsOf(sessionTo(peer()), time.Second)
	for name, c := range map[string]struct {
		change func(*config.Peer)
		cost   cost
	}{
		"nothing":    {func(*config.Peer) {}, costNone},
		"selectors":  {func(p *config.Peer) { p.NodeSelectors = make([]config.Selector, 1) }, costNone},
		"port 179":   {func(p *config.Peer) { p.Port = 179 }, costNone},
		"hold":       {func(p *config.Peer) { p.HoldTime = 9 * time.Second }, costUpdate},
		"connect":    {func(p *config.Peer) { p.ConnectTime = 9 * time.Second }, costUpdate},
		"multihop":   {func(p *config.Peer) { p.MultiHop = true }, costUpdate},
		"password":   {func(p *config.Peer) { p.Password = "x" }, costPeer},
		"source":     {func(p *config.Peer) { p.Source = netip.MustParseAddr(node4) }, costPeer},
		"peer AS":    {func(p *config.Peer) { p.PeerASN = 1 }, costPeer},
		"dynamic":    {func(p *config.Peer) { p.Dynamic = "external" }, costPeer},
		"address":    {func(p *config.Peer) { p.Addr = netip.MustParseAddr(router6) }, costPeer},
		"interface":  {func(p *config.Peer) { p.Interface = "eth0" }, costPeer},
		"own AS":     {func(p *config.Peer) { p.MyASN = 1 }, costServer},
		"both":       {func(p *config.Peer) { p.MyASN, p.Port = 1, 2 }, costServer},
		"no restart": {func(p *config.Peer) { p.GracefulRestart = false }, costPeer},
		"long lived": {func(p *config.Peer) { p.LongLived = time.Hour }, costPeer},
		"one family": {func(p *config.Peer) { p.OneFamily = true }, costPeer},
		"hops":       {func(p *config.Peer) { p.Hops = 1 }, costUpdate},
		"prefixes":   {func(p *config.Peer) { p.MaxPrefixes = 5 }, costUpdate},
		"passive":    {func(p *config.Peer) { p.Passive = true }, costServer},
		"local AS":   {func(p *config.Peer) { p.LocalASN = 1 }, costServer},
		"VRF":        {func(p *config.Peer) { p.VRF = "red" }, costServer},
	} {
		if got := base.to(settingsOf(sessionTo(peer(c.change)), time.Second)); got != c.cost {
			t.Errorf("%s: cost %d, want %d", name, got, c.cost)
		}
	}
}

func TestAcceptsObeysDynamicASN(t *testing.T) {
	for _, c := range []struct {
		dynamic string
		asn     uint32
		ok      bool
	}{{"", 1, true}, {"internal", 64512, true}, {"internal", 1, false}, {"external", 1, true}, {"external", 64512, false}} {
		s := settingsOf(sessionTo(peer(func(p *config.Peer) { p.Dynamic = c.dynamic })), time.Second)
		if s.accepts(c.asn) != c.ok {
			t.Errorf("%q accepts %d: %v", c.dynamic, c.asn, !c.ok)
		}
	}
}

func TestKnownASIsForTheSameRouter(t *testing.T) {
	for name, c := range map[string]struct {
		dynamic string
		known   neighbor
		asn     uint32
	}{
		"known":            {"external", neighbor{peer().Addr, 64501}, 64501},
		"nothing known":    {"external", neighbor{}, 0},
		"another router":   {"external", neighbor{netip.MustParseAddr("192.0.2.99"), 64501}, 0},
		"not of that kind": {"internal", neighbor{peer().Addr, 64501}, 0},
		"no dynamicASN":    {"", neighbor{peer().Addr, 64999}, 0},
	} {
		s := settingsOf(sessionTo(peer(func(p *config.Peer) { p.PeerASN, p.Dynamic = 0, c.dynamic })), time.Second)
		if got := s.knowing(c.known).peer.asn; got != c.asn {
			t.Errorf("%s: AS %d, want %d", name, got, c.asn)
		}
	}
}

func TestPeerOfCarriesEveryField(t *testing.T) {
	p := peerOf(settingsOf(sessionTo(peer(func(p *config.Peer) {
		p.HoldTime, p.KeepaliveTime = 12*time.Second, 4*time.Second
	})), time.Second), 40000, 120)
	got := fmt.Sprint(p.Conf.NeighborAddress, p.Conf.PeerAsn, p.Transport.RemotePort,
		p.Timers.Config.HoldTime, p.Timers.Config.KeepaliveInterval, p.GracefulRestart.Enabled, p.GracefulRestart.LocalRestarting, p.GracefulRestart.RestartTime,
		len(p.AfiSafis), p.AfiSafis[0].MpGracefulRestart.Config.Enabled, p.AfiSafis[1].MpGracefulRestart.Config.Enabled)
	want := fmt.Sprint("127.0.0.1", uint32(64501), uint32(40000), uint64(12), uint64(4),
		true, true, uint32(120), 2, true, true)
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	plain := peerOf(settingsOf(sessionTo(peer(func(p *config.Peer) { p.GracefulRestart = false })), time.Second), 40000, 120)
	if plain.GracefulRestart != nil || plain.AfiSafis[0].MpGracefulRestart.Config.Enabled {
		t.Errorf("a plain peer got %v", plain)
	}
}

func TestPeerOfLimits(t *testing.T) {
	p := peerOf(settingsOf(sessionTo(peer(func(p *config.Peer) {
		p.Hops, p.MaxPrefixes, p.OneFamily, p.LongLived = 1, 7, true, time.Minute
	})), time.Second), 40000, 120)
	if len(p.AfiSafis) != 1 || p.AfiSafis[0].Config.Family != family4 || p.AfiSafis[0].PrefixLimits.MaxPrefixes != 7 ||
		p.AfiSafis[0].LongLivedGracefulRestart.Config.RestartTime != 60 || !p.GracefulRestart.LonglivedEnabled {
		t.Errorf("got %v", p)
	}
	own := settingsOf(sessionTo(peer(func(p *config.Peer) { p.LocalASN, p.Dynamic = 64999, "external" })), time.Second)
	if own.server.asn != 64999 || own.accepts(64999) || !own.accepts(64512) {
		t.Errorf("local AS: %+v", own)
	}
	over6 := settingsOf(sessionTo(peer(func(p *config.Peer) { p.Addr, p.OneFamily = netip.MustParseAddr(router6), true })), time.Second)
	if f := over6.families(); len(f) != 1 || f[0] != family6 {
		t.Errorf("families over IPv6: %v", f)
	}
}

func TestBackOff(t *testing.T) {
	for n, want := range []time.Duration{0, 0, 2, 4, 8, 16, 32, 32} {
		if got := backOff(n); got != want*time.Second {
			t.Errorf("after %d: %v", n, got)
		}
	}
}

func TestTTL(t *testing.T) {
	for name, c := range map[string]struct {
		peer        *config.Peer
		send, least int
	}{
		"next door":        {peer(), 1, 0},
		"own AS":           {peer(func(p *config.Peer) { p.PeerASN = p.MyASN }), kernelTTL, 0},
		"several hops":     {peer(func(p *config.Peer) { p.MultiHop = true }), 255, 0},
		"of any AS":        {peer(func(p *config.Peer) { p.PeerASN, p.Dynamic = 0, "internal" }), 255, 0},
		"TTL security":     {peer(func(p *config.Peer) { p.Hops = 1 }), 255, 255},
		"two hops at most": {peer(func(p *config.Peer) { p.Hops, p.MultiHop = 2, true }), 255, 254},
	} {
		if send, least := settingsOf(sessionTo(c.peer), time.Second).ttl(); send != c.send || least != c.least {
			t.Errorf("%s: TTL %d, at least %d", name, send, least)
		}
	}
}
