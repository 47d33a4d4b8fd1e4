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

// beater is a [Pulse] or a [Client].
type beater interface {
	Apply(peers []Peer)
	Rekey(ring keys.Ring)
	Run(ctx context.Context) error
	Views() <-chan View
}

// trio are three nodes n0, n1, n2; loss[i][j] is that from i to j.
type trio struct {
	nodes [3]beater
	shown [3]*metrics
	stop  [3]func()
	loss  [3][3]*atomic.Int64
	mu    sync.Mutex
	views [3]View
	downs [3]int // views that called somebody dead
}

// here makes a node whose beats are this process's.
func here(t *testing.T, cfg Config) (beater, *metrics) {
	t.Helper()
	p, err := New(cfg, log.NewNopLogger(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return p, p.metrics
}

func newTrio(t *testing.T, node func(*testing.T, Config) (beater, *metrics)) *trio {
	g := &trio{}
	var ports [3]uint16
	for i := range ports {
		ports[i] = freePort(t)
	}
	for i := range ports {
		cfg := Config{Node: fmt.Sprint("n", i), Addr: netip.MustParseAddr("127.0.0.1"), Port: ports[i], Keys: keys.Ring{"secret"}}
		p, shown := node(t, cfg)
		var peers []Peer
		for j := range ports {
			g.loss[i][j] = &atomic.Int64{}
			peers = append(peers, Peer{fmt.Sprint("n", j), newWire(t, netip.AddrPortFrom(cfg.Addr, ports[j]), g.loss[i][j])})
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
		g.nodes[i], g.shown[i], g.stop[i] = p, shown, func() { cancel(); wg.Wait() }
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
	t.Run("in this process", func(t *testing.T) { testLife(t, here) })
	t.Run("in another", func(t *testing.T) { testLife(t, elsewhere) })
}

func testLife(t *testing.T, node func(*testing.T, Config) (beater, *metrics)) {
	g := newTrio(t, node)
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
	eventually(t, "the metric says that nodes came back", func() bool { return g.shown[0].last.Load().Revived > 0 })
	g.stop[1]() // in order: nobody is dead
	g.until(t, 0, map[string]State{"n2": Up})
	g.until(t, 2, map[string]State{"n0": Up})
}

// Keys are exchanged, step by step and each node at another time: no beat is
// lost and nobody is held for dead. Whoever changes them at once is told.
func TestKeysAreExchanged(t *testing.T) {
	g := newTrio(t, elsewhere)
	g.until(t, 0, map[string]State{"n1": Up, "n2": Up})
	g.until(t, 1, map[string]State{"n0": Up, "n2": Up})
	g.until(t, 2, map[string]State{"n0": Up, "n1": Up})
	for _, ring := range []keys.Ring{{"secret", "new"}, {"new", "secret"}, {"new"}} {
		for _, i := range rand.Perm(len(g.nodes)) {
			g.nodes[i].Rekey(ring)
			time.Sleep(250 * time.Millisecond)
		}
	}
	for i, m := range g.shown {
		if n := m.last.Load().Undecrypted; n > 0 {
			t.Errorf("n%d could not read %v beats", i, n)
		}
	}
	if n := g.deaths(); n > 0 {
		t.Errorf("somebody was held for dead %d times", n)
	}
	g.nodes[2].Rekey(keys.Ring{"other"})
	g.until(t, 0, map[string]State{"n1": Up, "n2": Down})
	eventually(t, "beats of another key are counted", func() bool { return g.shown[0].last.Load().Undecrypted > 0 })
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
	out, reg, port := &journal{}, prometheus.NewRegistry(), freePort(t)
	p, err := New(Config{Node: "n0", Addr: netip.MustParseAddr("127.0.0.1"), Port: port, Keys: keys.Ring{"secret"}}, log.NewLogfmtLogger(out), reg)
	if err != nil {
		t.Fatal(err)
	}
	p.Apply([]Peer{{Node: "n1", Addr: netip.MustParseAddrPort("127.0.0.1:9")}})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = p.Run(ctx) })
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	forged := packet{Kind: beat, From: idOf("n1"), Mine: 1, Yours: p.engine.mesh.boot, Seq: 1, Echo: 1, Down: []id{idOf("n0")}}
	read := func() (n uint64) {
		if u := p.metrics.last.Load(); u != nil {
			n = u.Undecrypted
		}
		return n
	}
	deadline := time.Now().Add(10 * time.Second)
	for read() < 3 && time.Now().Before(deadline) {
		for _, b := range [][]byte{[]byte("hello"), forged.seal(nil, deriveKey([]byte("guess"))), make([]byte, maxSize+50)} {
			_, _ = conn.Write(b) // refused until the socket is open
		}
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	wg.Wait()
	if n := read(); n < 3 {
		t.Errorf("%v packets counted", n)
	}
	if p.last.Alone || len(p.last.States) > 0 {
		t.Errorf("a stranger was believed: %+v", p.last)
	}
	if n := strings.Count(out.String(), "dropping heartbeats"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, out)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for start := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > 20*time.Second {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	if _, err := New(Config{Node: "n0"}, log.NewNopLogger(), nil); err == nil {
		t.Error("no address, port and secret: no error")
	}
}

// journal is a log to read while it is written.
type journal struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *journal) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *journal) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
