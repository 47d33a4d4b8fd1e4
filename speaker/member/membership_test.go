package member

import (
	"context"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/keys"
)

// A killed and a frozen member are found dead (the times are logged; the limit
// leaves room for a loaded machine), and one
// that thaws or comes back is alive again.
func TestDetection(t *testing.T) {
	for _, ipv6 := range []bool{false, true} {
		g := group(t, ipv6, 3, 0)
		for name, sig := range map[string]os.Signal{"freeze": syscall.SIGSTOP, "kill": syscall.SIGKILL} {
			if err := g[2].cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			took := max(g[0].wait("n1 n2 n3:dead", 2*time.Second), g[1].wait("n1 n2 n3:dead", 2*time.Second))
			t.Logf("IPv6 %v, %s: both others saw it after %v", ipv6, name, took)
			if sig == syscall.SIGSTOP {
				if err := g[2].cmd.Process.Signal(syscall.SIGCONT); err != nil {
					t.Fatal(err)
				}
			} else {
				g[2] = startChild(t, g[2].task)
			}
			for _, c := range g {
				back := c.wait("n1 n2 n3", 5*time.Second)
				t.Logf("IPv6 %v, %s: %s sees all again after %v", ipv6, name, c.task.Node, back)
			}
		}
	}
}

// With every processor busy, by the members' own processes too, nobody is
// called dead.
func TestNoFalseDeath(t *testing.T) {
	g := group(t, false, 3, 2)
	time.Sleep(10 * time.Second)
	var used time.Duration
	for _, c := range g {
		if n := c.deaths(); n > 0 {
			t.Errorf("%s called somebody dead %d times", c.task.Node, n)
		}
	}
	for _, c := range g {
		c.say("end")
		<-c.ended
		used += c.cmd.ProcessState.UserTime()
	}
	if used < 2*time.Second {
		t.Errorf("the processors were not busy: %v used", used)
	}
}

// A member that says it restarts counts as alive while it is away.
func TestRestart(t *testing.T) {
	g := group(t, false, 3, 0)
	g[2].say("restarting")
	g[0].wait("n1 n2 n3:restarting", time.Second)
	g[1].wait("n1 n2 n3:restarting", time.Second)
	g[2].say("end")
	<-g[2].ended
	time.Sleep(1500 * time.Millisecond) // longer than detection takes
	if got := g[0].text(); got != "n1 n2 n3:restarting" {
		t.Fatalf("while it is away: %q", got)
	}
	g[2] = startChild(t, g[2].task)
	g[0].wait("n1 n2 n3", 5*time.Second)

	// Back before anybody noticed that it was away.
	g[2].say("restarting")
	g[0].wait("n1 n2 n3:restarting", time.Second)
	g[2].say("end")
	<-g[2].ended
	g[2] = startChild(t, g[2].task)
	g[0].wait("n1 n2 n3", 5*time.Second)
	g[1].wait("n1 n2 n3", 5*time.Second)
	if g[0].deaths()+g[1].deaths() > 0 {
		t.Error("a member was called dead")
	}
}

// A member that leaves is seen leaving, then gone, never dead.
func TestLeave(t *testing.T) {
	g := group(t, false, 2, 0)
	g[1].say("leaving")
	g[0].wait("n1 n2:leaving", time.Second)
	g[1].say("leave")
	g[0].wait("n1", time.Second)
	g[1].say("end")
	<-g[1].ended
	time.Sleep(time.Second)
	if got := g[0].text(); got != "n1" || g[0].deaths() > 0 {
		t.Errorf("after goodbye: %q, %d deaths", got, g[0].deaths())
	}
}

// Links travel to the others.
func TestLinks(t *testing.T) {
	g := group(t, false, 2, 0)
	deadline := time.Now().Add(3 * time.Second)
	for {
		g[0].mu.Lock()
		last := g[0].views[len(g[0].views)-1]
		g[0].mu.Unlock()
		if len(last) == 2 && len(last[1].Links) == 1 && last[1].Links[0].Name == "eth0" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("n1 sees %+v", last)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// A member with another key is no member; its messages are counted.
func TestWrongKey(t *testing.T) {
	at := addrs(t, false, 2)
	reg, out := prometheus.NewRegistry(), &lines{}
	ms, err := New(Config{Node: "n1", BindAddr: at[0].Addr(), BindPort: at[0].Port(), Keys: keys.Ring{"secret"}}, log.NewLogfmtLogger(out), reg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- ms.Run(ctx) }()
	if first := <-ms.Members(); viewText(first) != "n1:joining" {
		t.Errorf("first view %q", viewText(first))
	}
	ms.Join(at[:1])
	if next := <-ms.Members(); viewText(next) != "n1" {
		t.Errorf("alone: %q", viewText(next))
	}
	stranger := startChild(t, task{Node: "n2", Addr: at[1], Keys: keys.Ring{"other"}, Peers: at})
	deadline := time.Now().Add(5 * time.Second)
	for testutil.ToFloat64(ms.metrics.undecrypted) < 2 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if n := testutil.ToFloat64(ms.metrics.undecrypted); n < 2 {
		t.Errorf("%v undecrypted messages", n)
	}
	select {
	case all := <-ms.Members():
		t.Errorf("the stranger got in: %v", viewText(all))
	default:
	}
	if got := stranger.text(); got != "n2" {
		t.Errorf("the stranger sees %q", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := strings.Count(out.String(), "cannot be decrypted"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, out)
	}
}

// A lone member is done with looking once its peers did not answer.
func TestAlone(t *testing.T) {
	at := addrs(t, false, 2)
	c := startChild(t, task{Node: "n1", Addr: at[0], Keys: keys.Ring{"secret"}, Peers: at})
	c.wait("n1", 3*time.Second)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.views) > 1 && viewText(c.views[0]) != "n1:joining" {
		t.Errorf("at first: %q", viewText(c.views[0]))
	}
}

func TestConfigIsChecked(t *testing.T) {
	_, err := New(Config{}, log.NewNopLogger(), nil)
	for _, want := range []string{"name", "bind address", "key"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name the %s", err, want)
		}
	}
}

func TestMetaFits(t *testing.T) {
	links := []announce.Link{{Name: "eth0", Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, {Name: "e=,|1"}}
	got := decodeMeta(metaOf(leaving, links).encode(512))
	if got.Phase != leaving || len(got.links()) != 2 || !got.links()[0].On(netip.MustParseAddr("192.0.2.7")) || got.links()[1].Name != "e=,|1" {
		t.Errorf("came back as %+v", got)
	}
	if got := decodeMeta(metaOf(running, []announce.Link{}).encode(512)).links(); got == nil || len(got) != 0 {
		t.Errorf("no interface at all came back as %#v", got)
	}
	many := slices.Repeat(links, 50)
	if got := decodeMeta(metaOf(restarting, many).encode(512)); got.Phase != restarting || got.links() != nil {
		t.Errorf("what does not fit must be unknown: %+v", got)
	}
	if got := decodeMeta([]byte("{garbage")); got.Phase != running || got.links() != nil {
		t.Errorf("garbage read as %+v", got)
	}
}

// Hardware addresses travel along, once for links that share one, and are the
// first to be left out where there is no room. A speaker that does not tell
// them is understood.
func TestMetaTellsHardware(t *testing.T) {
	a, b := [6]byte{2, 0, 0, 0, 0, 1}, [6]byte{2, 0, 0, 0, 0, 2}
	links := []announce.Link{{Name: "eth0", MAC: a}, {Name: "eth0.5", MAC: a}, {Name: "eth1", MAC: b}, {Name: "x"}}
	enc := metaOf(running, links).encode(512)
	if got := decodeMeta(enc).links(); !reflect.DeepEqual(got, links) || strings.Count(string(enc), `"m"`) != 3 {
		t.Errorf("%s came back as %+v", enc, got)
	}
	short := decodeMeta(metaOf(running, links).encode(len(enc) - 1)).links()
	if len(short) != 4 || short[0].MAC != [6]byte{} {
		t.Errorf("without room: %+v", short)
	}
	old := decodeMeta([]byte(`{"k":true,"l":[{"n":"eth0"},{"n":"eth1"}]}`)).links()
	if len(old) != 2 || old[1].MAC != [6]byte{} {
		t.Errorf("of an older version: %+v", old)
	}
	if got := decodeMeta([]byte(`{"k":true,"l":[{"n":"eth0","m":"AAE="}]}`)).links(); len(got) != 1 || got[0].MAC != [6]byte{} {
		t.Errorf("a hardware address of two bytes: %+v", got)
	}
}

func TestViewForgets(t *testing.T) {
	v, at := view{}, time.Unix(1000, 0)
	v.up("n2", netip.AddrPort{}, meta{Phase: restarting}, at)
	v.down("n2", at.Add(time.Second))
	if all, next := v.members(at.Add(29 * time.Second)); viewText(all) != "n2:restarting" || !next.Equal(at.Add(RestartGrace)) {
		t.Errorf("%q, next %v", viewText(all), next)
	}
	v.up("n3", netip.AddrPort{}, meta{}, at)
	v.down("n3", at.Add(time.Second))
	if all, next := v.members(at.Add(time.Second)); viewText(all) != "n2:restarting n3" || !next.Equal(at.Add(time.Second+verdict)) {
		t.Errorf("before the verdict: %q, next %v", viewText(all), next)
	}
	if all, _ := v.members(at.Add(time.Second + verdict)); viewText(all) != "n2:restarting n3:dead" {
		t.Errorf("after the verdict: %q", viewText(all))
	}
	delete(v, "n3")
	if all, _ := v.members(at.Add(RestartGrace)); viewText(all) != "n2:dead" || !all[0].Dead() {
		t.Errorf("after the grace: %q", viewText(all))
	}
	if all, _ := v.members(at.Add(2 * forgetAfter)); len(all) != 0 || len(v) != 0 {
		t.Errorf("not forgotten: %q", viewText(all))
	}
}
