package bgp

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/steelyard-lb/steelyard/config"
)

// passage is a gate between a router and a GoBGP that a test plays.
type passage struct {
	t       *testing.T
	gate    *gate
	end     context.CancelFunc
	router  *net.TCPConn
	port    uint16 // where GoBGP would come
	speaker *net.TCPConn
}

func newPassage(t *testing.T) *passage {
	t.Helper()
	l := listenAt(t, "127.0.0.1:0")
	at := l.Addr().(*net.TCPAddr).AddrPort()
	p := &passage{t: t, gate: &gate{
		journal: newJournal(log.NewNopLogger()), logger: log.NewNopLogger(), news: make(chan news, 1), done: make(chan struct{}),
		inner: listenAt(t, "127.0.0.1:0"), own: loopback,
		set: settingsOf(sessionTo(peer(func(p *config.Peer) { p.Addr, p.Port = at.Addr(), at.Port() })), time.Second),
	}}
	p.run()
	var err error
	if p.router, err = l.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.router.Close() })
	_ = p.router.SetDeadline(time.Now().Add(20 * time.Second))
	p.port = p.told().port
	return p
}

func listenAt(t *testing.T, addr string) *net.TCPListener {
	t.Helper()
	l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func (p *passage) run() {
	var ctx context.Context
	ctx, p.end = context.WithCancel(context.Background())
	p.t.Cleanup(p.end)
	go p.gate.run(ctx)
}

func (p *passage) told() news {
	p.t.Helper()
	select {
	case n := <-p.gate.news:
		if n.err != nil {
			p.t.Fatal(n.err)
		}
		return n
	case <-time.After(10 * time.Second):
		p.t.Fatal("no news")
		return news{}
	}
}

// enter is GoBGP's coming.
func (p *passage) enter() {
	p.t.Helper()
	conn, err := net.Dial("tcp4", fmt.Sprint("127.0.0.1:", p.port))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	p.speaker = conn.(*net.TCPConn)
	_ = p.speaker.SetDeadline(time.Now().Add(20 * time.Second))
}

// ends tells how long the gate takes to its end.
func (p *passage) ends() time.Duration {
	p.t.Helper()
	begin := time.Now()
	select {
	case <-p.gate.done:
	case <-time.After(10 * time.Second):
		p.t.Fatal("the gate does not end")
	}
	return time.Since(begin)
}

func read(t *testing.T, from io.Reader, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(from, got); err != nil || string(got) != string(want) {
		t.Fatalf("read % x, %v; want % x", got, err, want)
	}
}

// A program of the node that comes in GoBGP's place would have a session that may be
// protected by a password.
func TestAnotherProgramHasNoWayToTheRouter(t *testing.T) {
	t.Parallel()
	p := newPassage(t)
	said, err := exec.Command("bash", "-c", fmt.Sprintf("exec 3<>/dev/tcp/127.0.0.1/%d; printf hello >&3; cat <&3", p.port)).CombinedOutput()
	if len(said) != 0 {
		t.Logf("the other program: %s, %v", said, err) // reset or closed, as it comes
	}
	p.enter()
	hello := serialized(t, open(90))
	if _, err := p.speaker.Write(hello); err != nil {
		t.Fatal(err)
	}
	read(t, p.router, hello)
}

func TestGateHandsOnMessagesAndLastWords(t *testing.T) {
	t.Parallel()
	p := newPassage(t)
	p.enter()
	hello, alive, bye := serialized(t, open(90)), raw(bgp.BGP_MSG_KEEPALIVE, 19), raw(bgp.BGP_MSG_NOTIFICATION, 21, 6, 2)
	if _, err := p.router.Write(append(append([]byte{}, hello...), alive[:10]...)); err != nil {
		t.Fatal(err)
	}
	read(t, p.speaker, hello) // which does not wait for what has not come in whole
	if _, err := p.router.Write(alive[10:]); err != nil {
		t.Fatal(err)
	}
	read(t, p.speaker, alive)
	if _, err := p.speaker.Write(bye); err != nil {
		t.Fatal(err)
	}
	p.speaker.Close()
	rest, err := io.ReadAll(p.router)
	if err != nil || string(rest) != string(bye) {
		t.Errorf("the router read % x, %v", rest, err)
	}
	p.router.Close()
	p.ends()
}

// What is refused is said to both: to the router by NOTIFICATION, to GoBGP by an end.
func TestGateRefuses(t *testing.T) {
	t.Parallel()
	p := newPassage(t)
	p.enter()
	if _, err := p.router.Write(append(serialized(t, open(90)), raw(77, 19)...)); err != nil {
		t.Fatal(err)
	}
	read(t, p.speaker, serialized(t, open(90)))
	if rest, err := io.ReadAll(p.speaker); len(rest) != 0 {
		t.Errorf("GoBGP reads % x, %v", rest, err)
	}
	read(t, p.router, raw(bgp.BGP_MSG_NOTIFICATION, 22, 1, 3, 77))
	p.gate.journal.Debug("state changed", map[string]any{"old": "BGP_FSM_OPENSENT", "new": "BGP_FSM_IDLE", "reason": "read-failed"})
	if why := p.gate.journal.lastFault(); why.Kind != KindMalformed {
		t.Errorf("the fault is %+v", why)
	}
}

func TestCutGateSaysNothing(t *testing.T) {
	t.Parallel()
	for _, entered := range []bool{true, false} {
		p := newPassage(t)
		if entered {
			p.enter()
		}
		p.gate.cut()
		p.end()
		if said, err := io.ReadAll(p.router); len(said) != 0 || err != nil {
			t.Errorf("the router reads % x, %v", said, err)
		}
		p.ends()
	}
}

// A router that has ceased to read keeps a gate from its end for lastWordTime only.
func TestGateDoesNotWaitForADeafRouter(t *testing.T) {
	t.Parallel()
	p := newPassage(t)
	p.enter()
	_ = p.speaker.SetWriteDeadline(time.Now().Add(time.Second))
	update := updateOf("", make([]byte, 4000)...)
	for {
		if _, err := p.speaker.Write(update); err != nil {
			break // all buffers are full
		}
	}
	p.speaker.Close()
	p.end()
	if took := p.ends(); took > 3*lastWordTime {
		t.Errorf("it took %v", took)
	}
}

// waitingPassage is a passive gate for a router at 127.0.0.2.
func waitingPassage(t *testing.T, changes ...func(*config.Peer)) *passage {
	t.Helper()
	set := settingsOf(sessionTo(peer(append(changes, func(p *config.Peer) {
		p.Addr, p.Passive = netip.MustParseAddr("127.0.0.2"), true
	})...)), time.Second)
	set.server.listen = netip.MustParseAddrPort("127.0.0.1:0")
	listener, err := set.listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return &passage{t: t, gate: &gate{
		journal: newJournal(log.NewNopLogger()), logger: log.NewNopLogger(), news: make(chan news, 1), done: make(chan struct{}),
		listener: listener, inner: listenAt(t, "127.0.0.1:0"), own: loopback, set: set,
	}}
}

// come connects to a passive gate.
func (p *passage) come(from string) net.Conn {
	p.t.Helper()
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0)), Timeout: 5 * time.Second}
	conn, err := dialer.Dial("tcp4", p.gate.listener.Addr().String())
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn
}

func TestPassiveGateKnowsItsRouter(t *testing.T) {
	t.Parallel()
	p := waitingPassage(t)
	p.run()
	if _, err := io.ReadAll(p.come("127.0.0.3")); err != nil {
		t.Errorf("another is kept at the door: %v", err)
	}
	p.come("127.0.0.2")
	if n := p.told(); n.own != loopback || n.port == 0 {
		t.Errorf("news %+v", n)
	}
	p.end()
	p.ends()
}

// Others who come, however many, do not keep a router waiting.
func TestPassiveGateIsNotHeldUpByOthers(t *testing.T) {
	t.Parallel()
	p := waitingPassage(t)
	for range 200 {
		p.come("127.0.0.3")
	}
	p.come("127.0.0.2")
	begin := time.Now()
	p.run()
	p.told()
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// A router that came and went while its former connection was in use is not waited for.
func TestPassiveGateLeavesEndedConnections(t *testing.T) {
	t.Parallel()
	p := waitingPassage(t)
	for range 3 {
		conn := p.come("127.0.0.2")
		if _, err := conn.Write(serialized(t, open(90))); err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	router := p.come("127.0.0.2")
	p.run()
	p.port = p.told().port
	p.enter()
	hello := serialized(t, open(90))
	if _, err := p.speaker.Write(hello); err != nil {
		t.Fatal(err)
	}
	read(t, router, hello)
}

// TTL security that is turned off holds for who comes from then on, too.
func TestPassiveGateFollowsSettings(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{true, false} {
		p := waitingPassage(t, func(p *config.Peer) { p.Hops = 1 })
		if running {
			p.run()
			time.Sleep(100 * time.Millisecond)
			set := p.gate.settings()
			set.soft.hops = 0
			if err := p.gate.follow(set); err != nil {
				t.Fatal(err)
			}
		} else {
			p.gate.set.soft.hops = 0 // since the listener was made
			p.run()
			time.Sleep(100 * time.Millisecond)
		}
		p.come("127.0.0.2")
		p.told()
	}
}
