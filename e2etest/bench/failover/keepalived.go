package failover

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/cluster"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
)

// vip is a virtual address of keepalived and how often it is advertised.
type vip struct {
	addr  netip.Prefix
	every string // seconds
}

// The addresses of keepalived, fast ones first, and where it is asked.
var vips = []vip{
	{netip.MustParsePrefix("172.30.41.1/16"), "0.1"}, {netip.MustParsePrefix("fd00:30::41:1/64"), "0.1"},
	{netip.MustParsePrefix("172.30.41.2/16"), "1"}, {netip.MustParsePrefix("fd00:30::41:2/64"), "1"},
}

const (
	fastVIPs  = 2 // of vips
	peerPort  = 8088
	stopGrace = 3 * time.Second
)

// keepalivedConf is the configuration of one node. The one of highest priority
// is the master.
func keepalivedConf(node string, priority int) string {
	var text strings.Builder
	fmt.Fprintf(&text, "global_defs {\n  router_id %s\n  vrrp_version 3\n}\n", node)
	for i, v := range vips {
		fmt.Fprintf(&text, `vrrp_instance v%d {
  state BACKUP
  interface eth0
  virtual_router_id %d
  priority %d
  advert_int %s
  virtual_ipaddress { %s dev eth0 }
}
`, i, 51+i, priority, v.every, v.addr)
	}
	return text.String()
}

// hitKeepalived is one trial of the peer: keepalived and an HTTP server on each
// node, started for it and stopped after it. Nodes take turns in being master.
func (w *world) hitKeepalived(ctx context.Context, e event, round int) (m bench.Metrics, err error) {
	if _, err := w.whole(ctx, e.set); err != nil {
		return nil, err
	}
	procs, err := w.startKeepalived(round)
	defer func() {
		for _, p := range procs {
			err = errors.Join(err, p.Stop(stopGrace))
		}
	}()
	if err != nil {
		return nil, err
	}
	var master string
	err = await(ctx, patience, func() error {
		master, err = w.master()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("keepalived: %w", err)
	}
	var addrs []netip.Addr
	for _, v := range vips {
		addrs = append(addrs, v.addr.Addr())
	}
	t := askFrom(w.client.Netns, peerPort, addrs...)
	if err := t.hit(ctx, w, e, master); err != nil {
		return nil, fmt.Errorf("keepalived: %w", err)
	}
	fast, slow := trial{at: t.at, probers: t.probers[:fastVIPs]}, trial{at: t.at, probers: t.probers[fastVIPs:]}
	m = fast.metrics()
	m[MetricGapSlow] = slow.metrics()[MetricGap]
	return m, nil
}

func (w *world) startKeepalived(round int) (procs []*proc.Proc, err error) {
	bin, err := cluster.FindBin()
	if err != nil {
		return nil, err
	}
	nodes := w.lab.Nodes()
	for i, node := range nodes {
		host, err := w.lab.Host(node)
		if err != nil {
			return procs, err
		}
		dir := filepath.Join(w.env.Dir, "keepalived-"+node)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return procs, err
		}
		conf := filepath.Join(dir, "keepalived.conf")
		text := keepalivedConf(node, 100+10*((i+round)%len(nodes)))
		if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
			return procs, err
		}
		for _, spec := range []proc.Spec{
			{Name: node + "-responder", Argv: []string{filepath.Join(bin, "hello"), "-http", fmt.Sprintf(":%d", peerPort), "-tcp=", "-udp="}},
			{Name: node + "-keepalived", Argv: []string{"keepalived", "--dont-fork", "--log-console", "--vrrp",
				"--use-file", conf, "--pid", filepath.Join(dir, "pid"), "--vrrp_pid", filepath.Join(dir, "vrrp.pid")}},
		} {
			p, err := proc.Start(host.Netns, w.lab.Logs(), spec)
			if err != nil {
				return procs, fmt.Errorf("%w (Debian package keepalived)", err)
			}
			procs = append(procs, p)
		}
	}
	return procs, nil
}

// master is the node that has all virtual addresses and answers at them.
func (w *world) master() (string, error) {
	owner := w.lab.OwnerOf(vips[0].addr.Addr())
	for _, v := range vips {
		addr := v.addr.Addr()
		if now := w.lab.OwnerOf(addr); now == "" || now != owner {
			return "", fmt.Errorf("%v is at %q, and the first address at %q", addr, now, owner)
		}
		var s sample
		err := w.client.Netns.Do(func() error {
			s = once(netip.AddrPortFrom(addr, peerPort), probeLimit)
			return s.err
		})
		if err != nil {
			return "", fmt.Errorf("%v at %s: %w", addr, owner, err)
		}
	}
	return owner, nil
}
