package pulse

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-kit/log"

	"github.com/steelyard-lb/steelyard/speaker/keys"
)

// A test node is a process of its own, so that it can be killed and frozen:
// this test binary, called again with its task in the environment.

const childEnv = "STEELYARD_TEST_PULSE"

type task struct {
	Node  string
	Addr  netip.AddrPort
	Peers []Peer
	Busy  int // goroutines that do nothing but use a processor
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		os.Exit(childMain(text))
	}
	os.Exit(m.Run())
}

// childMain prints each view as one line of JSON until it is killed.
func childMain(text string) int {
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return 2
	}
	p, err := New(Config{Node: t.Node, Addr: t.Addr.Addr(), Port: t.Addr.Port(), Keys: keys.Ring{"secret"}}, log.NewLogfmtLogger(os.Stderr), nil)
	if err != nil {
		return 2
	}
	runtime.GOMAXPROCS(runtime.NumCPU() + 2) // as member.SpareProcs
	for range t.Busy {
		go func() {
			for x := uint(1); x != 0; {
				x = x*2 + 1
			}
		}()
	}
	p.Apply(t.Peers)
	go func() { _ = p.Run(context.Background()) }()
	for v := range p.Views() {
		b, _ := json.Marshal(v)
		fmt.Println(string(b))
	}
	return 0
}

type child struct {
	task  task
	cmd   *exec.Cmd
	mu    sync.Mutex
	view  View
	downs int // of views that call somebody dead
}

func startChild(t *testing.T, tk task) *child {
	t.Helper()
	text, err := json.Marshal(tk)
	if err != nil {
		t.Fatal(err)
	}
	c := &child{task: tk, cmd: exec.Command(os.Args[0])}
	c.cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for s := bufio.NewScanner(out); s.Scan(); {
			var v View
			if json.Unmarshal(s.Bytes(), &v) != nil {
				continue
			}
			c.mu.Lock()
			c.view = v
			for _, state := range v.States {
				if state == Down {
					c.downs++
				}
			}
			c.mu.Unlock()
		}
		_ = c.cmd.Wait() // killed, as meant
	}()
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		<-ended
	})
	return c
}

func (c *child) sees(node string) (State, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.view.States[node], c.downs
}

func (c *child) wait(t *testing.T, node string, want State) time.Duration {
	t.Helper()
	start := time.Now()
	for time.Since(start) < 10*time.Second {
		if got, _ := c.sees(node); got == want {
			return time.Since(start)
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("%s does not see that %s is %v", c.task.Node, node, want)
	return 0
}

func group(t *testing.T, busy int) []*child {
	var peers []Peer
	for i := range 3 {
		addr := netip.AddrFrom4([4]byte{127, 0, 2, byte(i + 1)})
		peers = append(peers, Peer{fmt.Sprint("n", i), netip.AddrPortFrom(addr, freePort(t))})
	}
	var out []*child
	for _, p := range peers {
		out = append(out, startChild(t, task{Node: p.Node, Addr: p.Addr, Peers: peers, Busy: busy}))
	}
	for _, c := range out {
		for _, p := range peers {
			if p.Node != c.task.Node {
				c.wait(t, p.Node, Up)
			}
		}
	}
	return out
}

// With every processor busy, by the nodes' own processes too, nobody is called
// dead.
func TestNoFalseDeath(t *testing.T) {
	g := group(t, 2)
	noDeath(t, 12, func() int { return deaths(g) })
}

// noDeath fails if deaths grows within some seconds. Those in which this
// process, which does nothing but sleep, got no processor for a whole beat say
// nothing: others starve the test.
func noDeath(t *testing.T, seconds int, deaths func() int) {
	t.Helper()
	starved := 0
	for late, last := time.Duration(0), time.Duration(0); seconds > 0; last = late {
		before := deaths()
		late = worstSleep(time.Second)
		after := deaths()
		seconds--
		switch {
		case max(late, last) > DefaultTuning.Every: // a death is seen a bit later
			starved++
		case after > before:
			t.Errorf("somebody was called dead %d times in a second in which nobody waited longer than %v", after-before, late)
		}
	}
	t.Logf("%d seconds starved", starved)
}

func deaths(g []*child) (n int) {
	for _, c := range g {
		_, downs := c.sees("")
		n += downs
	}
	return n
}

// worstSleep sleeps for d in small pieces and tells how late it woke at worst.
func worstSleep(d time.Duration) (worst time.Duration) {
	const piece = 5 * time.Millisecond
	for end := time.Now().Add(d); ; {
		begin := time.Now()
		if begin.After(end) {
			return worst
		}
		time.Sleep(piece)
		worst = max(worst, time.Since(begin)-piece)
	}
}

// A frozen process is found dead (the time is logged; what is demanded leaves
// room for a loaded machine); thawed it is up again and has called nobody dead.
// One that is killed is not: its host lives on and says that nobody listens.
func TestFreezeAndKill(t *testing.T) {
	g := group(t, 0)
	signal := func(s os.Signal) {
		if err := g[2].cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	t.Logf("frozen: both others saw it after %v", max(g[0].wait(t, "n2", Down), g[1].wait(t, "n2", Down)))
	time.Sleep(time.Second)
	signal(syscall.SIGCONT)
	g[0].wait(t, "n2", Up)
	g[1].wait(t, "n2", Up)
	if _, n := g[2].sees(""); n > 0 {
		t.Errorf("the thawed one called somebody dead %d times", n)
	}
	_, before := g[0].sees("")
	signal(syscall.SIGKILL)
	t.Logf("killed: both others saw it after %v", max(g[0].wait(t, "n2", Vacant), g[1].wait(t, "n2", Vacant)))
	if _, n := g[0].sees(""); n > before {
		t.Errorf("n0 called somebody dead %d times, although but a process ended", n-before)
	}
}
