package forwarding

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench/load"
	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/lab/network"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
)

// forwarder is what a router does with packets.
type forwarder string

const (
	plain    forwarder = "plain"  // tracks connections
	ours     forwarder = "ours"   // sends to backends of its own node, which see the client
	masks    forwarder = "masked" // the same with backends of another node: hides the client
	nftables forwarder = "kube-proxy nftables"
	iptables forwarder = "kube-proxy iptables"
)

// setup is a router with so many Services.
type setup struct {
	by       forwarder
	services int
}

// way is a router between the two ends.
type way struct {
	router *network.Netns
	vips   netip.Addr // the first address of a Service
	pods   netip.Addr // the first one behind the router
	first  netip.Addr // what the asker goes to
	err    error      // why nobody is answered
}

// programmed is how long a forwarder gets to forward; kube-proxy gets more.
const programmed = time.Minute

// way makes the way of a setup, if it is not there yet, and waits until the
// first and the last of its Services are answered.
func (b *bed) way(ctx context.Context, s setup) (*way, error) {
	key := s
	if s.by == plain {
		key.services = 0 // one router for all
	}
	if w, ok := b.ways[key]; ok {
		return w, w.err
	}
	w, err := b.wire(len(b.ways) + 1)
	if err != nil {
		return nil, err
	}
	b.ways[key] = w
	begin := time.Now()
	if w.err = b.program(ctx, w, s); w.err == nil {
		w.err = w.tracks()
	}
	if w.err != nil {
		w.err = fmt.Errorf("%s with %d Services: %w", s.by, s.services, w.err)
		b.env.Say("%v", w.err)
		return w, w.err
	}
	b.env.Say("%s with %d Services: answered after %.1f s", s.by, s.services, time.Since(begin).Seconds())
	return w, nil
}

// wire makes the i-th router with its cables and routes.
func (b *bed) wire(i int) (*way, error) {
	router, err := network.Create(fmt.Sprint("way", i))
	if err != nil {
		return nil, err
	}
	addr := func(format string) netip.Addr { return netip.MustParseAddr(fmt.Sprintf(format, i)) }
	w := &way{router: router, vips: addr("100.%d.0.0"), pods: addr("10.%d.0.0")}
	for _, s := range [][2]string{{"ipv4.ip_forward", "1"}, {"netfilter.nf_conntrack_tcp_timeout_close", "1"}} {
		if err := router.Sysctl(s[0], s[1]); err != nil {
			return nil, err
		}
	}
	steps := []error{
		network.Wire(b.asker, router.Name, router, "asker"),
		network.Wire(b.answerer, router.Name, router, "answerer"),
		b.asker.AddAddr(router.Name, netip.PrefixFrom(addr("172.20.%d.2"), 24)),
		router.AddAddr("asker", netip.PrefixFrom(addr("172.20.%d.1"), 24)),
		b.answerer.AddAddr(router.Name, netip.PrefixFrom(addr("172.21.%d.2"), 24)),
		router.AddAddr("answerer", netip.PrefixFrom(addr("172.21.%d.1"), 24)),
		b.answerer.Own(netip.PrefixFrom(w.pods, 16)),
		router.AddRoute(netip.PrefixFrom(w.pods, 16), addr("172.21.%d.2")),
		b.asker.AddRoute(netip.PrefixFrom(w.pods, 16), addr("172.20.%d.1")),
		b.asker.AddRoute(netip.PrefixFrom(w.vips, 16), addr("172.20.%d.1")),
		b.answerer.AddRoute(netip.PrefixFrom(addr("172.20.%d.0"), 24), addr("172.21.%d.1")),
	}
	for _, err := range steps {
		if err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (b *bed) program(ctx context.Context, w *way, s setup) error {
	w.first = w.vips
	switch s.by {
	case plain:
		w.first = w.pods
		if err := w.trackOnly(); err != nil {
			return err
		}
	case ours, masks:
		if err := b.writeOurs(w, s); err != nil {
			return err
		}
	default:
		return b.runKubeProxy(ctx, w, s)
	}
	return b.answered(ctx, w, s.services, programmed)
}

// trackOnly switches connection tracking on, by a rule that no packet on its way
// through the router meets.
func (w *way) trackOnly() error {
	_, err := proc.Output(w.router, nil, "nft",
		"add table ip plain; add chain ip plain own { type filter hook output priority 0; }; add rule ip plain own ct state new counter")
	return err
}

// writeOurs has the product's package write its table.
func (b *bed) writeOurs(w *way, s setup) error {
	program, err := lab.Tool("nft.test")
	if err != nil {
		return err
	}
	order, err := json.Marshal(map[string]any{
		"Services": s.services, "VIPs": w.vips, "Pods": w.pods, "Remote": s.by == masks,
		"TCP": []int{load.EchoPort, load.SourcePort}, "UDP": []int{load.UDPPort},
	})
	if err != nil {
		return err
	}
	out, err := proc.Output(w.router, []string{"STEELYARD_NFT_TEST_ORDER=" + string(order)}, program)
	if err == nil {
		b.env.Say("%d Services: %s", s.services, strings.TrimSpace(out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:]))
	}
	return err
}

// answered waits until the first and the last Service are answered.
func (b *bed) answered(ctx context.Context, w *way, services int, within time.Duration) error {
	return await(ctx, within, "nobody is answered", func() error {
		for _, addr := range []netip.Addr{w.first, plus(w.first, services-1)} {
			if err := b.greet(addr); err != nil {
				return err
			}
		}
		return nil
	})
}

// greet has one message echoed over TCP.
func (b *bed) greet(addr netip.Addr) error {
	return b.asker.Do(func() error {
		conn, err := net.DialTimeout("tcp", netip.AddrPortFrom(addr, load.EchoPort).String(), 200*time.Millisecond)
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
			return err
		}
		if _, err := conn.Write([]byte("?")); err != nil {
			return err
		}
		_, err = conn.Read(make([]byte, 1))
		return err
	})
}

// tracks is nil if the router tracks connections: it has seen some by now.
func (w *way) tracks() error {
	return w.router.Do(func() error {
		data, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_count")
		if err == nil && strings.TrimSpace(string(data)) == "0" {
			err = fmt.Errorf("%s tracks no connections", w.router.Name)
		}
		return err
	})
}
