package ipam

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

func benchServices(n int, family config.Family) []Request {
	out := make([]Request, n)
	for i := range out {
		out[i] = Request{Service: &config.Service{
			Key:     config.Key{Namespace: "bench", Name: fmt.Sprintf("web-%07d", i)},
			Created: time.Unix(int64(1000+i), 0),
			Type:    config.LoadBalancer, Families: []config.Family{family},
			FamilyPolicy: config.SingleStack,
		}}
	}
	return out
}

func benchPools(ranges ...string) []*config.Pool {
	p := &config.Pool{Name: "big", AutoAssign: true, AvoidBuggyIPs: true}
	for i := 0; i < len(ranges); i += 2 {
		p.Ranges = append(p.Ranges, config.Range{From: netip.MustParseAddr(ranges[i]), To: netip.MustParseAddr(ranges[i+1])})
	}
	return []*config.Pool{p}
}

var (
	slash8  = []string{"10.0.0.0", "10.255.255.255"}
	slash64 = []string{"2001:db8::", "2001:db8::ffff:ffff:ffff:ffff"}
)

// BenchmarkCore grants a million addresses in one plan, and says what the
// ledger weighs for each.
func BenchmarkCore(b *testing.B) {
	const n = 1_000_000
	for _, c := range []struct {
		name   string
		family config.Family
		ranges []string
	}{{"v4", config.IPv4, slash8}, {"v6", config.IPv6, slash64}} {
		b.Run(c.name, func(b *testing.B) {
			reqs, pools := benchServices(n, c.family), benchPools(c.ranges...)
			var before, after runtime.MemStats
			var l Ledger
			for b.Loop() {
				l = Ledger{}
				b.StopTimer()
				runtime.GC()
				runtime.ReadMemStats(&before)
				b.StartTimer()
				l, _ = plan(l, pools, reqs)
			}
			if l.Len() != n || len(l.Refusals()) != 0 {
				b.Fatalf("%d of %d served", l.Len(), n)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "grants/s")
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/address")
			runtime.KeepAlive(reqs)
			runtime.KeepAlive(l)
		})
	}
}

func BenchmarkPlanUnchanged(b *testing.B) {
	reqs, pools := benchServices(10_000, config.IPv4), benchPools(slash8...)
	l, _ := plan(Ledger{}, pools, reqs)
	for b.Loop() {
		if next, changes := plan(l, pools, reqs); len(changes) != 0 || next.Len() != len(reqs) {
			b.Fatal("something changed")
		}
	}
}

func BenchmarkUpdateOne(b *testing.B) {
	reqs, pools := benchServices(10_001, config.IPv6), benchPools(slash64...)
	l, _ := plan(Ledger{}, pools, reqs[:10_000])
	last := reqs[10_000:]
	key := []config.Key{last[0].Service.Key}
	b.Run("add", func(b *testing.B) {
		for b.Loop() {
			if next, changes := update(l, last, nil); len(changes) != 1 || next.Len() != 10_001 {
				b.Fatal("not granted")
			}
		}
	})
	full, _ := update(l, last, nil)
	b.Run("remove", func(b *testing.B) {
		for b.Loop() {
			if next, changes := update(full, nil, key); len(changes) != 1 || next.Len() != 10_000 {
				b.Fatal("not released")
			}
		}
	})
	b.Run("full-plan", func(b *testing.B) {
		for b.Loop() {
			if _, changes := plan(l, pools, reqs); len(changes) != 1 {
				b.Fatal("not granted")
			}
		}
	})
}

// BenchmarkStrategy grants and releases by each strategy, from a pool that
// remembers.
func BenchmarkStrategy(b *testing.B) {
	const n = 100_000
	reqs := benchServices(n, config.IPv6)
	keys := make([]config.Key, n)
	for i := range keys {
		keys[i] = reqs[i].Service.Key
	}
	for _, strategy := range []config.Strategy{config.Lowest, config.Random, config.LeastRecentlyUsed} {
		b.Run(string(strategy), func(b *testing.B) {
			pools := benchPools(slash64...)
			pools[0].Strategy, pools[0].ReuseAfter = strategy, time.Hour
			for b.Loop() {
				l, _ := plan(Ledger{}, pools, reqs)
				l, _ = update(l, nil, keys)
				l, diff := Update(l, Delta{Now: l.Due()})
				if len(diff.Memories) != n || !l.Due().IsZero() {
					b.Fatalf("%d of %d rests ended", len(diff.Memories), n)
				}
			}
			b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "addresses/s")
		})
	}
}

// BenchmarkUpdateRemembered is a Service that goes and comes back among 10,000
// whose pool remembers its addresses.
func BenchmarkUpdateRemembered(b *testing.B) {
	reqs, pools := benchServices(10_000, config.IPv4), benchPools(slash8...)
	pools[0].Retain = time.Hour
	l, _ := plan(Ledger{}, pools, reqs)
	key := []config.Key{reqs[5000].Service.Key}
	for b.Loop() {
		next, _ := update(l, nil, key)
		if next, changes := update(next, reqs[5000:5001], nil); len(changes) != 1 || next.Entry(key[0]).Held[0] != l.Entry(key[0]).Held[0] {
			b.Fatal("it did not come back")
		}
	}
}
