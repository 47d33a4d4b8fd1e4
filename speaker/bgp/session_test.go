package bgp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	api "github.com/osrg/gobgp/v3/api"
	goblog "github.com/osrg/gobgp/v3/pkg/log"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

// nowhere is a peer that is never reached: nothing listens on its port.
func nowhere(changes ...func(*config.Peer)) *config.Peer {
	p := peer(func(p *config.Peer) { p.Addr, p.Port, p.ConnectTime = netip.MustParseAddr("127.0.0.1"), 1, time.Second })
	for _, change := range changes {
		change(p)
	}
	return p
}

// oneSession is a session without its goroutine, to be driven by hand.
func oneSession(t testing.TB) *session {
	t.Helper()
	s, err := New(log.NewNopLogger(), prometheus.NewRegistry(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	sess := s.newSession("tor", neighbor{}, false)
	t.Cleanup(func() {
		if sess.srv != nil {
			sess.shut()
		}
	})
	return sess
}

func TestNewStartsNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	registry := prometheus.NewRegistry()
	if _, err := New(log.NewNopLogger(), registry, Options{}); err != nil {
		t.Fatal(err)
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines before New, %d after", before, after)
	}
	if _, err := New(log.NewNopLogger(), registry, Options{}); err == nil {
		t.Error("a second speaker on one registry should be refused")
	}
}

func TestStopWithoutRunHeedsItsDeadline(t *testing.T) {
	s, err := New(log.NewNopLogger(), prometheus.NewRegistry(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := s.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Stop gave %v", err)
	}
}

func TestCancelledRunEnds(t *testing.T) {
	s, err := New(log.NewNopLogger(), prometheus.NewRegistry(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.Apply([]announce.Session{sessionTo(nowhere(), route(vip4))})
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	testlab.Eventually(t, 10*time.Second, "a session", func() bool { return len(s.States()) == 1 })
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Run goes on")
	}
}

func TestRibHoldsExactlyTheRoutes(t *testing.T) {
	sess := oneSession(t)
	sess.adopt(sessionTo(nowhere(), route(vip4), route(vip4b)))
	changed := route(vip4)
	changed.MED, changed.Communities, changed.Large = 5, []uint32{1, 2}, []config.LargeCommunity{{Global: 1, Local1: 2, Local2: 3}}
	sess.adopt(sessionTo(nowhere(), changed, route("198.51.100.0/24")))
	got := rib(t, sess.srv)
	if len(got) != 2 || !strings.Contains(got[vip4], "med:5") || !strings.Contains(got[vip4], "local_data2:3") || got["198.51.100.0/24"] == "" {
		t.Errorf("RIB %v", got)
	}
	if n := testutil.ToFloat64(sess.metrics.updates.WithLabelValues("tor")); n != 5 {
		t.Errorf("%v updates counted, want 5", n)
	}
	old := sess.srv
	sess.adopt(sessionTo(nowhere(func(p *config.Peer) { p.MyASN = 64999 }), changed))
	if sess.srv == old {
		t.Error("a new AS of our own needs a new server")
	}
	if got := rib(t, sess.srv); len(got) != 1 || got[vip4] == "" {
		t.Errorf("RIB of the new server %v", got)
	}
}

// rib lists a server's routes with their attributes as text.
func rib(t *testing.T, srv *server) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := srv.bgp.ListPath(context.Background(), &api.ListPathRequest{TableType: api.TableType_GLOBAL, Family: family4},
		func(d *api.Destination) {
			var b strings.Builder
			for _, a := range d.Paths[0].Pattrs {
				m, err := a.UnmarshalNew()
				if err != nil {
					t.Error(err)
				}
				b.WriteString(strings.ReplaceAll(strings.ReplaceAll(m.(interface{ String() string }).String(), "  ", " "), ": ", ":"))
			}
			out[d.Prefix] = b.String()
		})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestBadRouterIDIsAProblemAndTriedAgain(t *testing.T) {
	sess := oneSession(t)
	bad := sessionTo(nowhere(), route(vip4))
	bad.RouterID = netip.Addr{}
	sess.adopt(bad)
	if st := sess.board.list(); len(st) != 1 || !strings.Contains(st[0].Problem, "router id") || sess.retry == nil {
		t.Fatalf("states %+v, retry %v", st, sess.retry)
	}
	sess.adopt(sessionTo(nowhere(), route(vip4)))
	if sess.state.Problem != "" || len(rib(t, sess.srv)) != 1 {
		t.Errorf("state %+v", sess.state)
	}
}

// TestAPeerThatGoBGPRefusesIsTriedAgain: it is not said and forgotten.
func TestAPeerThatGoBGPRefusesIsTriedAgain(t *testing.T) {
	sess := oneSession(t)
	want := sessionTo(nowhere(), route(vip4))
	sess.adopt(want)
	for i := range 2 {
		sess.srv.port = 0 // GoBGP takes none twice
		sess.reached(news{own: loopback, port: 2})
		if st := sess.board.list(); len(st) != 1 || !strings.Contains(st[0].Problem, "add peer") || sess.retry == nil || sess.gate != nil {
			t.Fatalf("try %d: states %+v, retry %v", i, st, sess.retry)
		}
		if sess.adopt(want); sess.gate == nil {
			t.Fatalf("try %d: no other one", i)
		}
	}
	sess.srv.port = 1
	sess.forsake()
	sess.adopt(want)
	if sess.reached(news{own: loopback, port: 2}); sess.state.Problem != "" || sess.srv.port != 2 {
		t.Errorf("state %+v", sess.state)
	}
}

// TestTriesToListenLeaveNothingBehind, however long another program has the port.
func TestTriesToListenLeaveNothingBehind(t *testing.T) {
	other, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	at := netip.MustParseAddrPort(other.Addr().String())
	passive := sessionTo(nowhere(func(p *config.Peer) { p.Passive, p.Source, p.Port = true, at.Addr(), at.Port() }), route(vip4))
	sess := oneSession(t)
	before := runtime.NumGoroutine()
	for range 50 {
		sess.adopt(passive)
		if !strings.Contains(sess.state.Problem, "another program listens there") {
			t.Fatalf("state %+v", sess.state)
		}
	}
	if after := runtime.NumGoroutine(); after > before+10 {
		t.Errorf("%d goroutines before 50 tries, %d after", before, after)
	}
	other.Close()
	if sess.adopt(passive); sess.state.Problem != "" {
		t.Errorf("state %+v", sess.state)
	}
}

// settle waits until GoBGP itself has begun to connect: its lines up to there
// would mix with those of a test.
func settle(t *testing.T, sess *session) {
	t.Helper()
	srv := sess.srv
	for over := time.After(10 * time.Second); ; {
		select {
		case e := <-srv.events:
			if e.state == api.PeerState_ACTIVE {
				return
			}
		case <-over:
			t.Fatal("GoBGP does not connect")
		}
	}
}

func TestFallsAreCountedWithTheirReason(t *testing.T) {
	sess := oneSession(t)
	sess.adopt(sessionTo(nowhere(), route(vip4)))
	for i := range 2 {
		if sess.rejoin != nil {
			t.Fatalf("fall %d was not answered at once", i)
		}
		settle(t, sess)
		sess.moved(event{state: api.PeerState_ESTABLISHED, port: sess.srv.port})
		if !sess.state.Up() || testutil.ToFloat64(sess.metrics.up.WithLabelValues("tor")) != 1 {
			t.Fatalf("not up: %+v", sess.state)
		}
		sess.journal.Warn("hold timer expired", nil)
		sess.journal.Debug("state changed", goblog.Fields{"old": "BGP_FSM_ESTABLISHED", "new": "BGP_FSM_IDLE", "reason": "graceful-restart"})
		sess.moved(event{state: api.PeerState_IDLE})
		sess.journal.Debug("state changed", goblog.Fields{"old": "BGP_FSM_IDLE", "new": "BGP_FSM_ACTIVE", "reason": ""})
	}
	if sess.rejoin == nil {
		t.Error("a session that keeps falling is not given time")
	}
	st := sess.state
	if st.Flaps != 2 || st.LastDrop != (Reason{KindHoldTimer, "hold timer expired"}) || st.Why() != "hold timer expired" || st.Prefixes != 0 {
		t.Errorf("state %+v", st)
	}
	if n := testutil.ToFloat64(sess.metrics.flaps.WithLabelValues("tor", KindHoldTimer)); n != 2 {
		t.Errorf("%v flaps counted", n)
	}
	sess.end(farewell{ctx: context.Background(), quiet: true})
	if n := testutil.CollectAndCount(sess.metrics.flaps); n != 0 {
		t.Errorf("%d series of a removed peer", n)
	}
}

// With graceful restart the routes come some time after the session.
func TestSessionIsCompleteWhenNothingIsHeldBack(t *testing.T) {
	for _, graceful := range []bool{true, false} {
		sess := oneSession(t)
		sess.adopt(sessionTo(nowhere(func(p *config.Peer) { p.GracefulRestart = graceful }), route(vip4)))
		settle(t, sess)
		sess.moved(event{state: api.PeerState_ESTABLISHED, port: sess.srv.port})
		if sess.state.Complete == graceful || (sess.held != nil) != graceful {
			t.Errorf("graceful restart %t: complete %t, looks again %t", graceful, sess.state.Complete, sess.held != nil)
		}
		if sess.moved(event{state: api.PeerState_IDLE}); sess.state.Complete || sess.held != nil {
			t.Errorf("graceful restart %t: complete after the fall", graceful)
		}
	}
}

// A session that came up just when its peer was taken from GoBGP is none.
func TestSessionOfAPeerThatIsGone(t *testing.T) {
	sess := oneSession(t)
	sess.adopt(sessionTo(nowhere(), route(vip4)))
	settle(t, sess)
	late := event{state: api.PeerState_ESTABLISHED, port: sess.srv.port}
	sess.adopt(sessionTo(nowhere(func(p *config.Peer) { p.Password = "new" }), route(vip4)))
	if sess.moved(late); sess.state.Up() {
		t.Errorf("state %+v", sess.state)
	}
}

// What the router sends meanwhile is no end of a session that is being left.
func TestLeavingLastsWhileTheRouterSends(t *testing.T) {
	sess := oneSession(t)
	sess.srv = &server{events: make(chan event, 2)}
	sess.srv.events <- event{sent: true}
	sess.srv.events <- event{sent: true, end: family4}
	if !sess.lasts(context.Background(), 50*time.Millisecond) {
		t.Error("the session is taken for ended")
	}
	sess.srv.events <- event{state: api.PeerState_IDLE}
	if sess.lasts(context.Background(), time.Second) {
		t.Error("the end is not seen")
	}
	sess.srv = nil
}
