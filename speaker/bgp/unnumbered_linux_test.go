package bgp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/vishvananda/netlink"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/host"
	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/discovery"
	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

// finder tells a speaker process where the routers of peers by interface are, as
// the agent does.
type finder struct {
	speaker *Speaker
	routers *discovery.Discovery
	once    sync.Once
	logger  log.Logger

	mu       sync.Mutex
	host     host.State
	sessions []announce.Session
}

func newFinder(s *Speaker, logger log.Logger) *finder {
	return &finder{speaker: s, routers: discovery.New(logger), logger: logger}
}

// apply applies sessions, now and whenever a router is found or lost.
func (f *finder) apply(sessions []announce.Session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sessions = sessions
	if slices.ContainsFunc(sessions, byInterface) {
		f.once.Do(func() { go f.run() })
	}
	f.renew()
}

func byInterface(s announce.Session) bool { return s.Peer.Interface != "" }

func (f *finder) renew() {
	var names []string
	found, out := f.routers.Findings(), slices.Clone(f.sessions)
	for i, s := range out {
		if byInterface(s) {
			names = append(names, s.Peer.Interface)
			out[i].Found, out[i].Missing = found[s.Peer.Interface].Router, found[s.Peer.Interface].Why
		}
	}
	f.routers.Apply(names, f.host)
	f.speaker.Apply(out)
}

func (f *finder) run() {
	watcher := host.Watch(f.logger)
	go watcher.Run(context.Background())
	go f.routers.Run(context.Background())
	for {
		select {
		case state := <-watcher.States():
			f.mu.Lock()
			f.host = state
		case <-f.routers.Changed():
			f.mu.Lock()
		}
		f.renew()
		f.mu.Unlock()
	}
}

// newBareLab is a lab whose link has no addresses but the kernel's link-local
// ones.
func newBareLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, node: testlab.NewNS(t), router: testlab.NewNS(t)}
	var err error
	if l.at, err = netlink.NewHandleAt(l.router); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.at.Close)
	l.plug()
	return l
}

// plug connects node and router by a new cable, with new MACs at both ends.
func (l *lab) plug() {
	l.t.Helper()
	testlab.In(l.t, l.node, func() error {
		err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth0", PeerNamespace: netlink.NsFd(l.router)})
		if err != nil {
			return fmt.Errorf("add veth: %w", err)
		}
		return addressOf("eth0")
	})
	testlab.In(l.t, l.router, func() error { return addressOf("eth0") })
}

// linkLocal is the link-local address that eth0 of the node has.
func (l *lab) linkLocal() (out string) {
	l.t.Helper()
	testlab.In(l.t, l.node, func() error {
		link, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		for _, p := range prefixesOf(*link) {
			if p.Addr().IsLinkLocalUnicast() {
				out = p.Addr().WithZone("").String()
			}
		}
		return nil
	})
	return out
}

// renumber gives the router another link-local address, while the link stays up.
func (l *lab) renumber(to string) {
	l.t.Helper()
	testlab.In(l.t, l.router, func() error {
		return link("eth0", func(eth netlink.Link) error {
			old, err := netlink.AddrList(eth, netlink.FAMILY_V6)
			if err != nil {
				return err
			}
			for _, a := range old {
				if err := netlink.AddrDel(eth, &a); err != nil {
					return err
				}
			}
			return addressOf("eth0", to+"/64")
		})
	})
}

// unnumbered is the peer at the other end of eth0.
func unnumbered(p *config.Peer) {
	p.Addr, p.PeerASN, p.Dynamic, p.Interface, p.HoldTime = netip.Addr{}, 0, "external", "eth0", 9*time.Second
}

// A router without a known address is found on the link, takes IPv4 and IPv6
// routes with the node's link-local address as next hop, keeps them over a restart
// of the speaker, and is followed where it goes: to another address while the link stays up, over a link that goes
// away and comes back. Nobody takes the node for a default router.
func TestUnnumbered(t *testing.T) {
	t.Parallel()
	for _, kind := range testlab.Kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l := newBareLab(t)
			sp := l.startSpeaker()
			sp.tell("apply", sessionTo(peer(unnumbered), route(vip4), route(vip6)))
			testlab.Eventually(t, 20*time.Second, "the reason while there is no router", func() bool {
				return strings.Contains(sp.state().Failing.Text, "no router has advertised itself on interface eth0")
			})
			r := l.startRouter(kind, routerConf{unnumbered: true})
			both := func() bool { return l.hasRoute(vip4, l.linkLocal()) && l.hasRoute(vip6, l.linkLocal()) }
			testlab.Eventually(t, 40*time.Second, "routes to the link-local address of the node", both)
			st := sp.state()
			if !st.Up() || st.Addr.Zone() != "eth0" || !st.Addr.IsLinkLocalUnicast() || st.Prefixes != 2 || st.ASN != 64501 {
				t.Errorf("state %+v", st)
			}
			if g := l.gateways("::/0"); len(g) != 0 {
				t.Errorf("the router has a default route to %v", g)
			}

			time.Sleep(1500 * time.Millisecond) // End-of-RIB in both directions
			changes := l.monitor()
			sp.kill()
			sp = l.startSpeaker()
			sp.tell("apply", sessionTo(peer(unnumbered), route(vip4), route(vip6)))
			testlab.Eventually(t, 40*time.Second, "the session after a restart", func() bool { return sp.state().Up() })
			time.Sleep(2 * time.Second)
			if seen := changes(); len(seen) != 0 || !both() {
				t.Errorf("route changes over a restart: %v", seen)
			}

			r.Kill()
			l.renumber("fe80::99")
			l.startRouter(kind, routerConf{unnumbered: true})
			testlab.Eventually(t, 60*time.Second, "the session with the router's new address", func() bool {
				st := sp.state()
				return st.Up() && st.Addr.String() == "fe80::99%eth0" && both()
			})

			testlab.In(t, l.node, func() error { return link("eth0", netlink.LinkDel) })
			testlab.Eventually(t, 20*time.Second, "the reason while there is no interface", func() bool {
				st := sp.state()
				return !st.Up() && strings.Contains(st.Failing.Text, "no interface eth0")
			})
			l.plug()
			testlab.Eventually(t, 60*time.Second, "routes over the new link", func() bool { return sp.state().Up() && both() })
		})
	}
}
