package proxy

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestEveryEndpointIsAsked(t *testing.T) {
	r := start(t)
	var addrs []string
	for i := range 10 {
		addrs = append(addrs, named(t, fmt.Sprint(i)))
	}
	r.serve(map[string][]string{"a.test/": addrs})
	seen := map[string]int{}
	client := r.client(0, false)
	for range 100 {
		_, body := do(t, client, http.MethodGet, "http://a.test/", nil)
		seen[body]++
	}
	if len(seen) != 10 {
		t.Errorf("100 requests reached %d of 10 endpoints: %v", len(seen), seen)
	}
}

func poolOf(n int) *pool {
	p := &pool{}
	for i := range n {
		p.endpoints = append(p.endpoints, &endpoint{addr: fmt.Sprint(i)})
	}
	return p
}

func TestPick(t *testing.T) {
	now := time.Unix(1000, 0)
	p := poolOf(3)
	p.endpoints[0].inFlight.Store(1000)
	counts := map[string]int{}
	for range 3000 {
		counts[p.pick(nil, now).addr]++
	}
	// In turn it is asked a third of the time, and then a random other has
	// less to do in two of three cases.
	if c := counts["0"]; c < 200 || c > 480 {
		t.Errorf("a loaded endpoint got %d of 3000", c)
	}

	p.endpoints[1].eject(now)
	for range 100 {
		if e := p.pick(p.endpoints[0], now); e != p.endpoints[2] {
			t.Fatalf("picked %s, which is down or to be avoided", e.addr)
		}
	}
	for _, e := range p.endpoints {
		e.eject(now)
	}
	for range 100 {
		if e := p.pick(p.endpoints[0], now); e == p.endpoints[0] {
			t.Fatal("with all down, picked the one just tried")
		}
	}
	if e := p.pick(nil, now.Add(ejectFor)); e.downTill.Load() > now.Add(ejectFor).UnixNano() {
		t.Error("an endpoint stays down for too long")
	}
	if one := poolOf(1); one.pick(one.endpoints[0], now) != one.endpoints[0] {
		t.Error("the only endpoint was not picked")
	}
}

func TestRetriesOnAnotherEndpoint(t *testing.T) {
	r := start(t)
	r.serve(map[string][]string{"a.test/": {dead(t), named(t, "alive")}})
	client := r.client(0, false)
	for i := range 20 {
		method, body := http.MethodGet, ""
		if i%2 == 0 {
			method, body = http.MethodPost, "payload"
		}
		if code, text := do(t, client, method, "http://a.test/", strings.NewReader(body)); code != 200 || text != "alive" {
			t.Fatalf("request %d: %d %q", i, code, text)
		}
	}
	// The dead one was asked about once, and then passed over for a while.
	if n := r.metric("upstream_retries_total"); n < 1 || n > 3 {
		t.Errorf("%v retries, want about one", n)
	}
	for addr, e := range r.state.Load().endpoints {
		if n := e.inFlight.Load(); n != 0 {
			t.Errorf("%v: %d requests under way after all ended", addr, n)
		}
	}
}

// The body of a request that was retried arrives whole.
func TestRetriedBodyIsWhole(t *testing.T) {
	r := start(t)
	var got atomic.Int64
	alive := backend(t, func(_ http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 1<<16)
		for {
			n, err := r.Body.Read(buf)
			got.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	const size = 1 << 20
	rounds := 0
	for r.metric("upstream_retries_total") == 0 { // each table has a fresh dead endpoint
		r.serve(map[string][]string{"a.test/": {dead(t), alive}})
		got.Store(0)
		if code, text := do(t, r.client(0, true), http.MethodPost, "https://a.test/", strings.NewReader(strings.Repeat("x", size))); code != 200 {
			t.Fatalf("%d %s", code, text)
		}
		if got.Load() != size {
			t.Fatalf("%d bytes of %d arrived", got.Load(), size)
		}
		if rounds++; rounds > 100 {
			t.Fatal("the dead endpoint was never asked")
		}
	}
}

func TestCountersOutliveTables(t *testing.T) {
	r := start(t)
	a, b := "127.0.0.1:1", "127.0.0.1:2"
	r.serve(map[string][]string{"a.test/": {a}})
	before := r.state.Load()
	r.serve(map[string][]string{"a.test/": {b, a}, "b.test/": {a}})
	after := r.state.Load()
	kept := 0
	for addr, e := range after.endpoints {
		if before.endpoints[addr] == e {
			kept++
		}
	}
	if kept != 1 || len(after.endpoints) != 2 {
		t.Errorf("%d of %d endpoints kept, want 1 of 2", kept, len(after.endpoints))
	}
}

// Tables come and go under load, endpoints with them, and no request fails.
func TestSwapUnderLoad(t *testing.T) {
	r := start(t)
	stable, coming := named(t, "ok"), named(t, "ok")
	tables := []map[string][]string{
		{"a.test/": {stable}},
		{"a.test/": {stable, coming}, "b.test/": {coming}, "a.test/other": {"-"}},
		{"a.test/": {coming}, "a.test/x": {stable}},
	}
	r.serve(tables[0])
	var requests atomic.Int64
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for i := range 8 {
		client := r.client(i%2, i%4 < 2)
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				method := []string{http.MethodGet, http.MethodPost}[rand.IntN(2)]
				if code, body := do(t, client, method, "https://a.test/x", strings.NewReader("hello")); code != 200 || body != "ok" {
					t.Errorf("%d %q", code, body)
					return
				}
				requests.Add(1)
			}
		})
	}
	swaps := 0
	for end := time.Now().Add(time.Second); time.Now().Before(end); swaps++ {
		r.serve(tables[swaps%len(tables)])
		time.Sleep(time.Millisecond)
	}
	close(stop)
	clients.Wait()
	t.Logf("%d requests over %d swaps", requests.Load(), swaps)
	if requests.Load() < 50 {
		t.Errorf("only %d requests", requests.Load())
	}
}
