package member

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-kit/log"

	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/keys"
)

// A test member is a process of its own, so that it can be killed and frozen:
// this test binary, called again with its task in the environment.

const childEnv = "STEELYARD_TEST_MEMBER"

type task struct {
	Node  string
	Addr  netip.AddrPort
	Keys  keys.Ring
	Peers []netip.AddrPort
	Busy  int // goroutines that do nothing but use a processor
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		os.Exit(childMain(text))
	}
	os.Exit(m.Run())
}

// childMain prints each view as one line of JSON and obeys lines of standard
// input until that ends.
func childMain(text string) int {
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return 2
	}
	ms, err := New(Config{Node: t.Node, BindAddr: t.Addr.Addr(), BindPort: t.Addr.Port(), Keys: t.Keys},
		log.NewLogfmtLogger(os.Stderr), nil)
	if err != nil {
		return 2
	}
	SpareProcs()
	for range t.Busy {
		go func() {
			for x := uint(1); x != 0; {
				x = x*2 + 1
			}
		}()
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for all := range ms.Members() {
			b, _ := json.Marshal(all)
			fmt.Println(string(b))
		}
	}()
	ms.Apply([]announce.Link{{Name: "eth0"}})
	ms.Join(t.Peers)
	go func() { obey(ctx, ms); cancel() }()
	if ms.Run(ctx) != nil {
		return 1
	}
	return 0
}

func obey(ctx context.Context, ms *Membership) {
	say := map[string]func(context.Context) error{"leaving": ms.Leaving, "restarting": ms.Restarting, "leave": ms.Leave}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if in.Text() == "end" {
			return
		}
		if ring, ok := strings.CutPrefix(in.Text(), "keys "); ok {
			r, _ := keys.Parse([]byte(strings.ReplaceAll(ring, " ", "\n")))
			ms.Rekey(r)
			continue
		}
		if err := say[in.Text()](ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}

// child is a running test member with the last view it printed.
type child struct {
	t     *testing.T
	task  task
	cmd   *exec.Cmd
	in    io.WriteCloser
	mu    sync.Mutex
	views [][]announce.Member
	ended chan struct{}
}

func startChild(t *testing.T, tk task) *child {
	t.Helper()
	text, err := json.Marshal(tk)
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, task: tk, cmd: exec.Command(os.Args[0]), ended: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	c.in, err = c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.ended)
		for s := bufio.NewScanner(out); s.Scan(); {
			var all []announce.Member
			if json.Unmarshal(s.Bytes(), &all) == nil {
				c.mu.Lock()
				c.views = append(c.views, all)
				c.mu.Unlock()
			}
		}
		_ = c.cmd.Wait() // killed ones end with an error, as meant
	}()
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		<-c.ended
	})
	return c
}

func (c *child) say(word string) {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in, word); err != nil {
		c.t.Fatal(err)
	}
}

// text is the last view: "n1 n2:dead n3:leaving".
func (c *child) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.views) == 0 {
		return ""
	}
	return viewText(c.views[len(c.views)-1])
}

func viewText(all []announce.Member) string {
	var words []string
	for _, m := range all {
		word := m.Node
		if s := stateOf(m); s != "alive" {
			word += ":" + s
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// wait waits until the last view reads want and returns how long it took.
func (c *child) wait(want string, within time.Duration) time.Duration {
	c.t.Helper()
	start := time.Now()
	for time.Since(start) < within {
		if c.text() == want {
			return time.Since(start)
		}
		time.Sleep(time.Millisecond)
	}
	c.t.Fatalf("%s sees %q, want %q within %v", c.task.Node, c.text(), want, within)
	return 0
}

// deaths counts views of c that call somebody dead.
func (c *child) deaths() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range c.views {
		if strings.Contains(viewText(v), ":dead") {
			n++
		}
	}
	return n
}

// addrs are n free ports, one on each of n loopback addresses.
func addrs(t *testing.T, ipv6 bool, n int) (out []netip.AddrPort) {
	t.Helper()
	for i := range n {
		host := fmt.Sprintf("127.0.1.%d:0", i+1)
		if ipv6 {
			host = "[::1]:0"
		}
		l, err := net.Listen("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		out = append(out, netip.MustParseAddrPort(l.Addr().String()))
	}
	return out
}

// group starts n members that know each other and waits until all do.
func group(t *testing.T, ipv6 bool, n, busy int) []*child {
	t.Helper()
	at := addrs(t, ipv6, n)
	var out []*child
	var names []string
	for i, a := range at {
		name := fmt.Sprintf("n%d", i+1)
		names = append(names, name)
		out = append(out, startChild(t, task{Node: name, Addr: a, Keys: keys.Ring{"secret"}, Peers: at, Busy: busy}))
	}
	for _, c := range out {
		c.wait(strings.Join(names, " "), 10*time.Second)
	}
	return out
}
