package pulse

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/steelyard-lb/steelyard/speaker/keys"
)

// wire carries packets to a node over loopback and loses some.
type wire struct {
	conn *net.UDPConn
	loss *atomic.Int64 // percent
}

func newWire(t *testing.T, to netip.AddrPort, loss *atomic.Int64) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	w := wire{conn, loss}
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 2000)
		for {
			n, err := w.conn.Read(buf)
			if err != nil {
				return
			}
			if rand.Int64N(100) >= w.loss.Load() {
				_, _ = w.conn.WriteToUDPAddrPort(buf[:n], to)
			}
		}
	})
	t.Cleanup(func() { conn.Close(); wg.Wait() })
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// freePort is a UDP port that nobody has.
func freePort(t *testing.T) uint16 {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

// trio are three nodes n0, n1, n2 of this process; loss[i][j] is that from i to j.
type trio struct {
	nodes [3]*Pulse
	stop  [3]func()
	loss  [3][3]*atomic.Int64
	mu    sync.Mutex
	views [3]View
	downs [3]int // views that called somebody dead
}

func newTrio(t *testing.T) *trio {
	g := &trio{}
	var ports [3]uint16
	for i := range ports {
		ports[i] = freePort(t)
	}
	for i := range ports {
		p, err := New(Config{Node: fmt.Sprint("n", i), Addr: netip.MustParseAddr("127.0.0.1"), Port: ports[i], Keys: keys.Ring{"secret"}},
			log.NewNopLogger(), prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		var peers []Peer
		for j := range ports {
			g.loss[i][j] = &atomic.Int64{}
			peers = append(peers, Peer{fmt.Sprint("n", j), newWire(t, netip.AddrPortFrom(p.cfg.Addr, ports[j]), g.loss[i][j])})
		}
		p.Apply(peers)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := p.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case v := <-p.Views():
					g.mu.Lock()
					g.views[i] = v
					for _, s := range v.States {
						if s == Down {
							g.downs[i]++
						}
					}
					g.mu.Unlock()
				}
			}
		})
		g.nodes[i], g.stop[i] = p, func() { cancel(); wg.Wait() }
		t.Cleanup(g.stop[i])
	}
	return g
}

func (g *trio) deaths() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.downs[0] + g.downs[1] + g.downs[2]
}

func (g *trio) view(i int) View {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.views[i]
}

// until waits for node i to hold the others for what want says: "n1:1 n2:2".
func (g *trio) until(t *testing.T, i int, want map[string]State) time.Duration {
	t.Helper()
	start := time.Now()
	for time.Since(start) < 10*time.Second {
		ok := len(g.view(i).States) == len(want)
		for n, s := range want {
			ok = ok && g.view(i).States[n] == s
		}
		if ok {
			return time.Since(start)
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("n%d sees %v, want %v", i, g.view(i).States, want)
	return 0
}

// Real sockets: nodes meet, bear losses, see a cut and its end.
func TestOnLoopback(t *testing.T) {
	g := newTrio(t)
	g.until(t, 0, map[string]State{"n1": Up, "n2": Up})
	g.until(t, 1, map[string]State{"n0": Up, "n2": Up})
	g.until(t, 2, map[string]State{"n0": Up, "n1": Up})
	g.lose(5)
	noDeath(t, 4, g.deaths)
	for i := range 2 {
		g.loss[i][2].Store(100)
		g.loss[2][i].Store(100)
	}
	took := max(g.until(t, 0, map[string]State{"n1": Up, "n2": Down}), g.until(t, 1, map[string]State{"n0": Up, "n2": Down}))
	t.Logf("a cut was seen by both others after %v", took)
	g.until(t, 2, map[string]State{"n0": Down, "n1": Down})
	if v := g.view(2); !v.Alone || v.Cuts == 0 {
		t.Errorf("n2 does not know that it is cut off: %+v", v)
	}
	g.lose(0)
	g.until(t, 0, map[string]State{"n1": Up, "n2": Up})
	g.until(t, 2, map[string]State{"n0": Up, "n1": Up})
	if n := testutil.ToFloat64(g.nodes[0].metrics.revived); n < 1 {
		t.Errorf("%v nodes came back, by the metric", n)
	}
	g.stop[1]() // in order: nobody is dead
	g.until(t, 0, map[string]State{"n2": Up})
	g.until(t, 2, map[string]State{"n0": Up})
}

// Keys are exchanged, step by step and each node at another time: no beat is
// lost and nobody is held for dead. Whoever changes them at once is told.
func TestKeysAreExchanged(t *testing.T) {
	g := newTrio(t)
	g.until(t, 0, map[string]State{"n1": Up, "n2": Up})
	g.until(t, 1, map[string]State{"n0": Up, "n2": Up})
	g.until(t, 2, map[string]State{"n0": Up, "n1": Up})
	for _, ring := range []keys.Ring{{"secret", "new"}, {"new", "secret"}, {"new"}} {
		for _, i := range rand.Perm(len(g.nodes)) {
			g.nodes[i].Rekey(ring)
			time.Sleep(250 * time.Millisecond)
		}
	}
	for i, p := range g.nodes {
		if n := testutil.ToFloat64(p.metrics.undecrypted); n > 0 {
			t.Errorf("n%d could not read %v beats", i, n)
		}
	}
	if n := g.deaths(); n > 0 {
		t.Errorf("somebody was held for dead %d times", n)
	}
	g.nodes[2].Rekey(keys.Ring{"other"})
	g.until(t, 0, map[string]State{"n1": Up, "n2": Down})
	if n := testutil.ToFloat64(g.nodes[0].metrics.undecrypted); n < 1 {
		t.Error("beats of another key are not counted")
	}
}

func (g *trio) lose(percent int64) {
	for i := range g.loss {
		for j := range g.loss[i] {
			g.loss[i][j].Store(percent)
		}
	}
}

// Packets without the key, and rubbish, are counted and change nothing.
func TestStranger(t *testing.T) {
	out, reg, port := &lines{}, prometheus.NewRegistry(), freePort(t)
	p, err := New(Config{Node: "n0", Addr: netip.MustParseAddr("127.0.0.1"), Port: port, Keys: keys.Ring{"secret"}}, log.NewLogfmtLogger(out), reg)
	if err != nil {
		t.Fatal(err)
	}
	p.Apply([]Peer{{Node: "n1", Addr: netip.MustParseAddrPort("127.0.0.1:9")}})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = p.Run(ctx) })
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.cfg.Addr, port)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	forged := packet{Kind: beat, From: idOf("n1"), Mine: 1, Yours: p.mesh.boot, Seq: 1, Echo: 1, Down: []id{idOf("n0")}}
	deadline := time.Now().Add(10 * time.Second)
	for testutil.ToFloat64(p.metrics.undecrypted) < 3 && time.Now().Before(deadline) {
		for _, b := range [][]byte{[]byte("hello"), forged.seal(nil, deriveKey([]byte("guess"))), make([]byte, maxSize+50)} {
			_, _ = conn.Write(b) // refused until the socket is open
		}
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	wg.Wait()
	if n := testutil.ToFloat64(p.metrics.undecrypted); n < 3 {
		t.Errorf("%v packets counted", n)
	}
	if p.last.Alone || len(p.last.States) > 0 {
		t.Errorf("a stranger was believed: %+v", p.last)
	}
	if n := strings.Count(out.String(), "dropping heartbeats"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, out)
	}
}

func TestConfigIsChecked(t *testing.T) {
	if _, err := New(Config{Node: "n0"}, log.NewNopLogger(), nil); err == nil {
		t.Error("no address, port and secret: no error")
	}
}

// lines is a log to read while it is written.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
