package nft

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
)

// bigWorld has n Services of one port, each with an address and ten endpoints
// in both families.
func bigWorld(n int) *config.Snapshot { return wideWorld(n, 1) }

// wideWorld is bigWorld with so many ports.
func wideWorld(n, ports int) *config.Snapshot {
	services, eps := map[config.Key]*config.Service{}, map[config.Key]*config.Endpoints{}
	for i := range n {
		key := keyOf(fmt.Sprint("s", i))
		services[key] = &config.Service{Key: key, Type: config.LoadBalancer,
			Addrs: []netip.Addr{netip.AddrFrom4([4]byte{100, 64, byte(i >> 8), byte(i)}), numbered("2001:db8::", i)}}
		eps[key] = bigEndpoints(key, i, 10)
		for p := range ports {
			port := config.ServicePort{Name: "http", Proto: config.TCP, Port: 80}
			if p > 0 {
				port.Name, port.Port = fmt.Sprint("http", p), port.Port+uint16(p)
				more := eps[key].Ports[0]
				more.Name = port.Name
				eps[key].Ports = append(eps[key].Ports, more)
			}
			services[key].Ports = append(services[key].Ports, port)
		}
	}
	return &config.Snapshot{Revision: 1, Services: config.TableOf(services), Endpoints: config.TableOf(eps), Pools: []*config.Pool{{
		Ranges: []config.Range{{From: netip.MustParseAddr("100.64.0.0"), To: netip.MustParseAddr("100.127.0.0")},
			{From: netip.MustParseAddr("2001:db8::"), To: netip.MustParseAddr("2001:db8::ffff")}}}}}
}

func numbered(base string, n int) netip.Addr {
	a := netip.MustParseAddr(base).As16()
	a[13], a[14], a[15] = byte(n>>16), byte(n>>8), byte(n)
	return netip.AddrFrom16(a)
}

func bigEndpoints(key config.Key, i, n int) *config.Endpoints {
	p := config.EndpointPort{Name: "http", Proto: config.TCP}
	for j := range n {
		for _, a := range []netip.Addr{netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), byte(j)}), numbered("fd00::", i<<8|j)} {
			p.Backends = append(p.Backends, config.Backend{Ready: true, Serving: true,
				Node: fmt.Sprint("n", j), Addr: netip.AddrPortFrom(a, 8080)})
		}
	}
	return &config.Endpoints{Service: key, Ports: []config.EndpointPort{p}}
}

func benchForwarder(b *testing.B) *Forwarder {
	ns := newSpace(b, "bench")
	f, err := New(log.NewNopLogger(), nil, Options{NetNS: int(ns.ns)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	return f
}

// BenchmarkCold loads a table into an empty kernel. It prints the elements.
func BenchmarkCold(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		table := l4proxy.Build(bigWorld(n), l4proxy.Options{Node: "n0"})
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				f := benchForwarder(b)
				if err := f.Apply(table); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				b.ReportMetric(float64(2*n*(64+2)), "elements")
				if err := f.Remove(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// BenchmarkColdStart makes the table of 10,000 Services with two ports, ten
// endpoints and both families, and loads it into an empty kernel. It reports the
// elements, and what the kernel's memory grew by meanwhile.
func BenchmarkColdStart(b *testing.B) {
	snap := wideWorld(10_000, 2)
	for b.Loop() {
		b.StopTimer()
		f, before := benchForwarder(b), kernelMemory(b)
		b.StartTimer()
		table := l4proxy.Build(snap, l4proxy.Options{Node: "n0"})
		built := b.Elapsed()
		if err := f.Apply(table); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		b.ReportMetric(b.Elapsed().Seconds(), "s-all") // of one round: -benchtime=1x
		b.ReportMetric(built.Seconds(), "s-build")
		b.ReportMetric(float64(countElements(table)), "elements")
		b.ReportMetric(kernelMemory(b)-before, "kernel-MB")
		if err := f.Remove(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// countElements is how many elements a table has in the kernel.
func countElements(t l4proxy.Table) int {
	n := t.Len()
	for g := range t.Groups() {
		n += len(g.Slots)
	}
	for range t.Addrs() {
		n++
	}
	for range t.Locals() {
		n++
	}
	return n
}

// kernelMemory is what the kernel of this machine has for itself, in MB: slabs
// that it cannot give up, and what it has mapped.
func kernelMemory(b *testing.B) (mb float64) {
	b.Helper()
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		name, rest, _ := strings.Cut(line, ":")
		if name != "SUnreclaim" && name != "VmallocUsed" {
			continue
		}
		var kib float64
		if _, err := fmt.Sscan(rest, &kib); err != nil {
			b.Fatalf("/proc/meminfo: %q: %v", line, err)
		}
		mb += kib * 1024 / 1e6
	}
	return mb
}

// BenchmarkChange writes one endpoint that comes and goes among n Services. It
// reports percentiles of the kernel write and of the whole Apply, which also
// looks for connections to the endpoint that went.
func BenchmarkChange(b *testing.B) {
	for _, n := range []int{1, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchChange(b, n) })
	}
}

func benchChange(b *testing.B, n int) {
	snap, f := bigWorld(n), benchForwarder(b)
	table := l4proxy.Build(snap, l4proxy.Options{Node: "n0"})
	if err := f.Apply(table); err != nil {
		b.Fatal(err)
	}
	key := keyOf("s0")
	var write, apply []time.Duration
	for i := 0; b.Loop(); i++ {
		next := *snap
		eps := snap.Endpoints.Edit()
		eps.Set(key, bigEndpoints(key, 0, 9+i%2))
		next.Endpoints, next.Revision = eps.Done(), snap.Revision+1
		next.Changed = config.Changes{Services: []config.Key{key}}
		table, snap = l4proxy.Update(table, &next, l4proxy.Options{Node: "n0"}), &next
		begin := time.Now()
		if err := f.change(table); err != nil {
			b.Fatal(err)
		}
		write = append(write, time.Since(begin))
		f.applied = table
		f.purge(table)
		apply = append(apply, time.Since(begin))
	}
	for name, took := range map[string][]time.Duration{"write": write, "apply": apply} {
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds()), name+"-p50-µs")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), name+"-p99-µs")
	}
}

// BenchmarkRestart compares a full kernel table with an equal one.
func BenchmarkRestart(b *testing.B) {
	table := l4proxy.Build(bigWorld(2000), l4proxy.Options{Node: "n0"})
	f := benchForwarder(b)
	if err := f.Apply(table); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		f.synced = false
		if err := f.Apply(table); err != nil {
			b.Fatal(err)
		}
	}
}
