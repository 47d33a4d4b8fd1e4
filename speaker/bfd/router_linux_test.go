package bfd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// routerConf is how a router is set up.
type routerConf struct {
	peers    []string // addresses of the node
	interval int      // ms; 50 if zero
	passive  bool
	auth     string // BIRD's name of the algorithm; FRR has none
	secret   string
}

// router is FRR's bfdd or BIRD in the lab's router namespace.
type router struct {
	t    *testing.T
	kind string
	dir  string
	cmd  *exec.Cmd
}

// forKinds shows a behaviour against each router.
func forKinds(t *testing.T, f func(t *testing.T, kind string)) {
	for _, kind := range []string{"frr", "bird"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f(t, kind)
		})
	}
}

func (l *lab) startRouter(kind string, conf routerConf) *router {
	l.t.Helper()
	if conf.interval == 0 {
		conf.interval = 50
	}
	dir, err := os.MkdirTemp("", "bfd") // short, for socket paths
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { os.RemoveAll(dir) })
	r := &router{t: l.t, kind: kind, dir: dir}
	text, commands := conf.bird(), r.bird()
	if kind == "frr" {
		text, commands = conf.frr(), r.frr()
	}
	r.write(text)
	r.cmd = exec.Command("/proc/self/exe", commands...)
	r.cmd.Env = append(os.Environ(), roleVar+"=router")
	// A PID namespace: daemons that change their user lose the parent-death
	// signal, but not their init.
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	out := &syncBuffer{}
	r.cmd.Stdout, r.cmd.Stderr = out, out
	in(l.t, l.router, r.cmd.Start)
	l.t.Cleanup(func() {
		if l.t.Failed() {
			l.t.Logf("%s said:\n%s\n%s", kind, out, r.try("show bfd peers\nshow bfd peers counters", "show bfd sessions"))
		}
		r.kill()
	})
	eventually(l.t, 20*time.Second, kind+" answers", func() bool {
		return len(r.sessions()) == len(conf.peers)
	})
	return r
}

func (r *router) write(text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, "conf"), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// reload gives the router another configuration.
func (r *router) reload(conf routerConf) {
	r.t.Helper()
	if r.kind == "bird" {
		r.write(conf.bird())
		r.try("", "configure")
		return
	}
	r.try(fmt.Sprintf("configure terminal\nbfd\nprofile p\ntransmit-interval %d\nreceive-interval %d", conf.interval, conf.interval), "")
}

// kill is kill -9; the daemons go with their init.
func (r *router) kill() {
	r.cmd.Process.Kill()
	r.cmd.Wait()
}

func need(t *testing.T, path, pkg string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is missing: install the Debian package %q", path, pkg)
	}
}

func (r *router) frr() []string {
	for _, path := range []string{"/usr/lib/frr/zebra", "/usr/lib/frr/bfdd", "/usr/bin/vtysh"} {
		need(r.t, path, "frr")
	}
	owner, err := user.Lookup("frr")
	if err != nil {
		r.t.Fatalf("user frr is missing: install the Debian package \"frr\": %v", err)
	}
	uid, _ := strconv.Atoi(owner.Uid)
	gid, _ := strconv.Atoi(owner.Gid)
	if err := os.Chown(r.dir, uid, gid); err != nil {
		r.t.Fatal(err)
	}
	common := func(after, daemon string, more ...string) []string {
		return append([]string{after, "/usr/lib/frr/" + daemon, "-u", "frr", "-g", "frr", "--vty_socket", r.dir,
			"-i", r.dir + "/" + daemon + ".pid", "-f", r.dir + "/conf", "-A", "127.0.0.1", "-P", "0",
			"-z", r.dir + "/zserv.api"}, more...)
	}
	return append(append(common("/", "zebra"), "--"), common(r.dir+"/zserv.api", "bfdd", "--bfdctl", r.dir+"/bfdd.sock")...)
}

func (r *router) bird() []string {
	need(r.t, "/usr/sbin/bird", "bird2")
	need(r.t, "/usr/sbin/birdc", "bird2")
	return []string{"/", "/usr/sbin/bird", "-f", "-c", r.dir + "/conf", "-s", r.dir + "/ctl", "-P", r.dir + "/pid"}
}

// local is the router's address on the way to the node's.
func local(peer string, far bool) string {
	switch {
	case far && strings.Contains(peer, ":"):
		return far6
	case far:
		return far4
	}
	return map[string]string{node4: router4, node6: router6, nodeLL: routerLL}[peer]
}

// far tells whether the peer is written as one over several hops.
func far(peer string) (string, bool) { return strings.CutPrefix(peer, "far ") }

func (c routerConf) frr() string {
	var b strings.Builder
	fmt.Fprintf(&b, "bfd\n profile p\n  transmit-interval %d\n  receive-interval %d\n  detect-multiplier 3\n", c.interval, c.interval)
	if c.passive {
		b.WriteString("  passive-mode\n")
	}
	b.WriteString(" exit\n")
	for _, p := range c.peers {
		fmt.Fprintf(&b, " peer %s\n  profile p\n exit\n", frrPeer(p))
	}
	b.WriteString("exit\n")
	return b.String()
}

// frrPeer is a peer as FRR names it.
func frrPeer(p string) string {
	p, far := far(p)
	switch {
	case far:
		return fmt.Sprintf("%s multihop local-address %s", p, local(p, far))
	case p == nodeLL:
		return fmt.Sprintf("%s local-address %s interface eth0", p, local(p, far))
	}
	return fmt.Sprintf("%s local-address %s", p, local(p, far))
}

func (c routerConf) bird() string {
	options := fmt.Sprintf("min rx interval %d ms; min tx interval %d ms; idle tx interval 1 s; multiplier 3;", c.interval, c.interval)
	if c.passive {
		options += " passive on;"
	}
	if c.auth != "" {
		options += fmt.Sprintf(" authentication %s; password %q { id 5; };", c.auth, c.secret)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "router id %s;\nprotocol device {}\nprotocol bfd b {\n interface \"eth0\" { %s };\n multihop { %s };\n", router4, options, options)
	for _, p := range c.peers {
		p, far := far(p)
		switch {
		case far:
			fmt.Fprintf(&b, " neighbor %s local %s multihop;\n", p, local(p, far))
		case p == nodeLL:
			fmt.Fprintf(&b, " neighbor %s dev \"eth0\" local %s;\n", p, local(p, far))
		default:
			fmt.Fprintf(&b, " neighbor %s dev \"eth0\" local %s;\n", p, local(p, far))
		}
	}
	b.WriteString("}\n")
	return b.String()
}

// try gives the router the command of its own language, and returns what it says.
func (r *router) try(frr, bird string) string {
	cmd := exec.Command("/usr/sbin/birdc", append([]string{"-s", r.dir + "/ctl"}, strings.Fields(bird)...)...)
	if r.kind == "frr" {
		args := []string{"--vty_socket", r.dir}
		for _, line := range strings.Split(frr, "\n") {
			args = append(args, "-c", line)
		}
		cmd = exec.Command("/usr/bin/vtysh", args...)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%s%v", out, err)
	}
	return string(out)
}

// sessions are the states that the router sees, in lower case, by peer.
func (r *router) sessions() map[string]string {
	text, out := r.try("show bfd peers json", "show bfd sessions"), map[string]string{}
	if r.kind == "frr" {
		var peers []struct{ Peer, Status string }
		if json.Unmarshal([]byte(text), &peers) != nil {
			return nil
		}
		for _, p := range peers {
			out[p.Peer] = p.Status
		}
		return out
	}
	for _, line := range strings.Split(text, "\n") {
		// IP address, interface, state, since, interval, timeout
		if f := strings.Fields(line); len(f) >= 6 && (strings.Contains(f[0], ".") || strings.Contains(f[0], ":")) {
			out[f[0]] = strings.ToLower(f[2])
		}
	}
	return out
}

// waitAll waits until the router sees all its sessions in a state.
func (r *router) waitAll(state string) {
	r.t.Helper()
	eventually(r.t, 15*time.Second, r.kind+" sees sessions "+state, func() bool {
		all := r.sessions()
		for _, s := range all {
			if s != state {
				return false
			}
		}
		return len(all) > 0
	})
}

// syncBuffer is a buffer that may be read while it is written.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
