package nft

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
)

// Options of a [Forwarder].
type Options struct {
	// NetNS is a file descriptor of the network namespace to work in; 0 is
	// that of the process. It must stay open.
	NetNS int

	// MarkMask are the bits of the connection mark (not the packet mark) that
	// are ours; 0 means DefaultMarkMask.
	MarkMask uint32
}

// DefaultMarkMask is clear of the marks of kube-proxy (0x4000, 0x8000), Calico
// (0xffff0000), Cilium (0x0fff, 0xffff0000), Tailscale (0xff0000), the AWS CNI
// (0x80) and Istio (0xfff).
const DefaultMarkMask = 0x3000

// Forwarder makes the kernel forward what a table says. Its methods are meant
// for one goroutine, except Run, which has its own, and Ready and Programmed, which
// anyone may call.
type Forwarder struct {
	log      log.Logger
	kernel   *kernel
	entries  *conntrack
	families [2]*family
	metrics  *metrics

	synced bool  // the kernel holds exactly applied
	purges purge // conntrack entries still to be looked for

	mu      sync.RWMutex
	applied l4proxy.Table
	ready   bool
}

// New makes a Forwarder and checks that the kernel lets it work: an error
// names the capability or the kernel feature that is missing. The tables in
// the kernel are left as they are until the first Apply.
func New(logger log.Logger, reg prometheus.Registerer, o Options) (*Forwarder, error) {
	if o.MarkMask == 0 {
		o.MarkMask = DefaultMarkMask
	}
	f := &Forwarder{log: logger, kernel: &kernel{netns: o.NetNS}, entries: &conntrack{netns: o.NetNS}, metrics: newMetrics(reg),
		families: [2]*family{newFamily(config.IPv4, o.MarkMask), newFamily(config.IPv6, o.MarkMask)}}
	if err := probe(f.kernel); err != nil {
		return nil, err
	}
	if reg != nil {
		if err := reg.Register(&collector{forwarder: f, kernel: kernel{netns: o.NetNS}}); err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
	}
	for _, fam := range f.families {
		if err := fam.tryDup(f.kernel); err != nil {
			level.Warn(logger).Log("msg", "no second chance for open connections: the kernel lacks CONFIG_"+fam.dupConfig(), "family", fam.fam, "err", err)
		}
		if err := fam.tryLog(f.kernel); err != nil {
			level.Warn(logger).Log("msg", "refused connections are not led to other endpoints: the kernel lacks "+logConfig, "family", fam.fam, "err", err)
		}
	}
	return f, nil
}

// Apply makes the kernel equal to t. The first call, and the first after an
// error, compares with what the kernel really holds; the others write only the
// difference to the table before. On error the kernel holds a mixture that is
// safe, if not complete, and Apply is to be called again.
func (f *Forwarder) Apply(t l4proxy.Table) error {
	begin := time.Now()
	err := errUnsynced
	if f.synced {
		err = f.change(t)
		if err != nil {
			level.Info(f.log).Log("msg", "kernel table is not what it was, comparing all of it", "err", err)
			f.metrics.resyncs.Inc()
		}
	}
	if err != nil {
		err = f.compare(t)
	}
	f.synced = err == nil
	f.metrics.applied(time.Since(begin), t, err) // what follows delays nobody's packets
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.applied, f.ready = t, true
	f.mu.Unlock()
	f.purge(t)
	return nil
}

var errUnsynced = errors.New("not compared with the kernel yet")

// change writes the difference between the applied table and t.
func (f *Forwarder) change(t l4proxy.Table) error {
	d := l4proxy.Diff(f.applied, t)
	if d.Empty() {
		return nil
	}
	var both plan // in one transaction, if it is small
	for _, fam := range f.families {
		both.units = append(both.units, fam.planDelta(&d).units...)
	}
	if err := both.write(f.kernel); err != nil {
		return err
	}
	f.metrics.elements.Add(float64(both.size()))
	f.purges.addDelta(&d)
	return nil
}

// compare makes the kernel equal to t whatever it holds.
func (f *Forwarder) compare(t l4proxy.Table) error {
	for _, fam := range f.families {
		if err := fam.ensure(f.kernel); err != nil {
			return fam.explain(f.kernel, err)
		}
		p, gone, err := fam.adopt(f.kernel, t)
		if err != nil {
			return explain(err)
		}
		if err := p.write(f.kernel); err != nil {
			return explain(fmt.Errorf("%v: %w", fam.fam, err))
		}
		f.metrics.elements.Add(float64(p.size()))
		f.purges.addGone(gone)
		level.Info(f.log).Log("msg", "kernel table adopted", "family", fam.fam, "elements_written", p.size())
	}
	f.purges.all = true
	return nil
}

// purge forgets connections to endpoints that are gone. The table is in effect
// without it, so a failure is logged, and made good with the next Apply.
func (f *Forwarder) purge(t l4proxy.Table) {
	n, err := f.purges.run(f.entries, f.families[0].markBit(), f.families[0].markMask, t)
	f.metrics.purged.Add(float64(n))
	if n > 0 {
		level.Info(f.log).Log("msg", "connections to vanished endpoints forgotten", "count", n)
	}
	if err != nil {
		level.Warn(f.log).Log("msg", "connections to vanished endpoints not forgotten", "err", err)
		return
	}
	f.purges = purge{}
}

// Ready tells whether a table has been applied.
func (f *Forwarder) Ready() bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.ready
}

// Programmed tells whether the kernel forwards traffic to the external address.
func (f *Forwarder) Programmed(addr netip.Addr) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.ready && f.applied.Serves(addr)
}

// table is the one that was applied last.
func (f *Forwarder) table() l4proxy.Table {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.applied
}

// Close frees the sockets. The kernel goes on forwarding.
func (f *Forwarder) Close() {
	f.kernel.close()
	f.entries.close()
}

// Remove deletes our tables. Connections in progress break where nobody else
// translates addresses on this node.
func (f *Forwarder) Remove() error {
	f.mu.Lock()
	f.synced, f.ready, f.applied = false, false, l4proxy.Table{}
	f.mu.Unlock()
	conn, err := f.kernel.open()
	if err != nil {
		return err
	}
	for _, fam := range f.families {
		was, err := fam.shapeInKernel(conn)
		if err != nil {
			return err
		}
		if was.exists {
			conn.DelTable(fam.table)
		}
	}
	if err := f.kernel.flush(); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("delete tables %s: %w", TableName, err)
	}
	return nil
}
