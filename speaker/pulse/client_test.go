package pulse

import (
	"context"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/config/lines"
	"github.com/steelyard-lb/steelyard/speaker/keys"
)

// elsewhere makes a node whose beats another one than the speaker's process
// exchanges.
func elsewhere(t *testing.T, cfg Config) (beater, *metrics) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pulse")
	serve(t, path)
	c := newClient(t, path, cfg)
	return c, c.metrics
}

func newClient(t *testing.T, path string, cfg Config) *Client {
	t.Helper()
	c, err := NewClient(path, cfg, log.NewNopLogger(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// serve serves at path until the test or its end.
func serve(t *testing.T, path string) (end func()) {
	t.Helper()
	l, err := lines.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		if err := Serve(ctx, l); err != nil {
			t.Error(err)
		}
	})
	end = func() { cancel(); all.Wait() }
	t.Cleanup(end)
	return end
}

// couple are n0, whose beats n1 watches from this process, on the way of [wire]s
// that lose nothing, so that what the kernel says of a closed port gets through.
type couple struct {
	t        *testing.T
	path     string // of the process that beats for n0
	cfg      Config // of n0
	other    Peer
	mu       sync.Mutex
	believed View // by n1
}

func newCouple(t *testing.T) *couple {
	t.Helper()
	home := netip.MustParseAddr("127.0.0.1")
	c := &couple{t: t, path: filepath.Join(t.TempDir(), "pulse"), cfg: Config{Node: "n0", Addr: home, Port: freePort(t), Keys: keys.Ring{"secret"}}}
	cfg := Config{Node: "n1", Addr: home, Port: freePort(t), Keys: c.cfg.Keys}
	c.other = Peer{cfg.Node, netip.AddrPortFrom(home, cfg.Port)}
	p, _ := here(t, cfg)
	p.Apply([]Peer{{c.cfg.Node, netip.AddrPortFrom(home, c.cfg.Port)}})
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { _ = p.Run(ctx) })
	all.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case v := <-p.Views():
				c.mu.Lock()
				c.believed = v
				c.mu.Unlock()
			}
		}
	})
	t.Cleanup(func() { cancel(); all.Wait() })
	return c
}

// holds waits until n1 holds n0 for what state says.
func (c *couple) holds(state State) {
	c.t.Helper()
	eventually(c.t, "the other holds it for what it is", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.believed.States["n0"] == state
	})
}

// speak runs a speaker of n0 until the test or its end.
func (c *couple) speak() (client *Client, end func()) {
	client = newClient(c.t, c.path, c.cfg)
	client.Apply([]Peer{c.other})
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { _ = client.Run(ctx) })
	end = func() { cancel(); all.Wait() }
	c.t.Cleanup(end)
	return client, end
}

// TestBeatsAreTheSpeakers: they end with it, in the way in which it does.
func TestBeatsAreTheSpeakers(t *testing.T) {
	c := newCouple(t)
	serve(t, c.path)
	for range 2 {
		_, end := c.speak()
		c.holds(Up)
		end() // in order
		c.holds(Unknown)
	}

	conn, err := net.Dial("unix", c.path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go io.Copy(io.Discard, conn)
	s := c.cfg.self()
	s.Leash = leash
	first := order{Self: &s, Peers: &[]Peer{c.other}, Keys: deriveKeys(c.cfg.Keys)}
	if err := lines.Say(conn, first); err != nil {
		t.Fatal(err)
	}
	c.holds(Up)
	c.holds(Down) // it hangs: it said nothing for a second
	if err := lines.Say(conn, order{}); err != nil {
		t.Fatal(err)
	}
	c.holds(Up)
	conn.Close() // it crashed
	c.holds(Vacant)
	c.speak()
	c.holds(Up)
}

// TestTheOtherProcessRestarts: that is told, is a cut, and nothing is lost by it.
func TestTheOtherProcessRestarts(t *testing.T) {
	c := newCouple(t)
	client, _ := c.speak()
	eventually(t, "nobody is there", func() bool { return len(client.Problems("n0")) == 1 })
	for cuts := range uint64(3) {
		end := serve(t, c.path)
		c.holds(Up)
		for v := range client.Views() {
			if v.States["n1"] == Up {
				if v.Cuts != cuts {
					t.Errorf("%d cuts after %d ends", v.Cuts, cuts)
				}
				break
			}
		}
		if p := client.Problems("n0"); len(p) > 0 {
			t.Errorf("%+v", p)
		}
		end()
		for v := range client.Views() {
			if v.Cuts == cuts+1 {
				if len(v.States) > 0 {
					t.Errorf("%+v is known with nobody there", v)
				}
				break
			}
		}
		if p := client.Problems("n0"); len(p) != 1 || p[0].Object.Key.Name != "n0" {
			t.Errorf("%+v", p)
		}
	}
}

// TestNonsenseOverTheSocket: who does not say who it is has no beats.
func TestNonsenseOverTheSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pulse")
	serve(t, path)
	for _, nonsense := range []string{"nonsense\n", "{}\n", "[]\n", `{"Bye":true}` + "\n", `{"Self":{"Node":"n0","Addr":"127.0.0.1","Port":1,"Tuning":{"Every":1,"Miss":0}},"Keys":["AA=="]}` + "\n"} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, nonsense)
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if said, err := io.ReadAll(conn); err != nil || len(said) > 20 {
			t.Errorf("%q: %s, %v", nonsense, said, err)
		}
		conn.Close()
	}
}

// TestNobodyIsLeft: without others there are no beats.
func TestNobodyIsLeft(t *testing.T) {
	c := newCouple(t)
	serve(t, c.path)
	client, _ := c.speak()
	c.holds(Up)
	client.Apply(nil)
	eventually(t, "there is nobody to watch", func() bool {
		sessions := client.metrics.last.Load().Sessions
		return sessions[Unknown]+sessions[Up]+sessions[Down]+sessions[Vacant] == 0
	})
}

// TestGoodbyeAtOnce: a speaker that ends before it began has no beats.
func TestGoodbyeAtOnce(t *testing.T) {
	c := newCouple(t)
	serve(t, c.path)
	conn, err := net.Dial("unix", c.path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s := c.cfg.self()
	if err := lines.Say(conn, order{Self: &s, Peers: &[]Peer{c.other}, Keys: deriveKeys(c.cfg.Keys), Bye: true}); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if said, err := io.ReadAll(conn); err != nil || len(said) > 20 {
		t.Errorf("%s, %v", said, err)
	}
}

// TestPortThatIsTaken: as long as it is each update says so, whoever comes and goes
// meanwhile.
func TestPortThatIsTaken(t *testing.T) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	addr := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	e := newEngine(self{Node: "n0", Addr: addr.Addr(), Port: addr.Port(), Tuning: DefaultTuning}, deriveKeys(keys.Ring{"secret"}))
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { e.run(ctx) })
	defer all.Wait()
	defer cancel()
	for range 3 {
		e.apply(nil)
		if u := <-e.updates.C(); u.Problem == "" {
			t.Fatalf("%+v", u)
		}
	}
	conn.Close()
	eventually(t, "it has the port", func() bool { return (<-e.updates.C()).Problem == "" })
}

// TestCutsThatAreNone: the others believe nothing of a node that never had beats.
func TestCutsThatAreNone(t *testing.T) {
	c := newClient(t, "", Config{Node: "n0", Addr: netip.MustParseAddr("127.0.0.1"), Port: 7957, Keys: keys.Ring{"secret"}})
	c.heard(Update{Problem: "no address"})
	c.lost(io.EOF)
	select {
	case v := <-c.Views():
		t.Errorf("%+v", v)
	default:
	}
}
