package engine

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/ingress/balance"
)

// TestLatencyCounts: who is slow is hardly asked, if the policy looks at that.
func TestLatencyCounts(t *testing.T) {
	var slow atomic.Int64
	endpoints := []netip.AddrPort{
		netip.MustParseAddrPort(origin(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fast") })),
		netip.MustParseAddrPort(origin(t, func(w http.ResponseWriter, _ *http.Request) {
			slow.Add(1)
			time.Sleep(100 * time.Millisecond)
			fmt.Fprint(w, "slow")
		})),
	}
	for policy, most := range map[balance.Policy]int64{balance.RoundRobin: 20, balance.LeastLoaded: 12} {
		slow.Store(0)
		r := start(t, Options{})
		r.Apply(Config{Router: toAll{}, Pools: []Pool{{Endpoints: endpoints, Policy: policy}}})
		c := client(t)
		for range 40 {
			if status, body := r.do(c, "GET", "/", ""); status != 200 {
				t.Fatalf("%d %q", status, body)
			}
		}
		if n := slow.Load(); n > most || policy == balance.RoundRobin && n != most {
			t.Errorf("policy %d: the slow one is asked %d times of 40", policy, n)
		}
	}
}

// TestRefusalCounts: an endpoint that takes no connection is passed over.
func TestRefusalCounts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := l.Addr().String()
	_ = l.Close()
	r, c := start(t, Options{}, dead, origin(t, echo)), client(t)
	before := time.Now()
	for range 4 { // the dead one is asked, too
		if status, body := r.do(c, "GET", "/", ""); status != 200 {
			t.Errorf("%d %q", status, body)
		}
	}
	pool := &r.state.Load().pools[0]
	for range 20 {
		if e := pool.pick(nil, "", before); e.addr == dead {
			t.Fatal("it is not passed over")
		}
	}
}
