package bfd

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/speaker/testlab"
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
type router struct{ *testlab.Router }

// forKinds shows a behaviour against each router.
func forKinds(t *testing.T, f func(t *testing.T, kind string)) {
	for _, kind := range testlab.Kinds {
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
	text := conf.bird()
	if kind == "frr" {
		text = conf.frr()
	}
	r := &router{testlab.StartRouter(l.t, l.router, kind, testlab.Setup{Text: text, Daemon: "bfdd", Env: roleVar + "=router",
		Flags: func(dir string) []string { return []string{"--bfdctl", dir + "/bfdd.sock"} }})}
	l.t.Cleanup(func() {
		if l.t.Failed() {
			l.t.Logf("%s said:\n%s\n%s", kind, r.Out, r.try("show bfd peers\nshow bfd peers counters", "show bfd sessions"))
		}
	})
	testlab.Eventually(l.t, 20*time.Second, kind+" answers", func() bool {
		return len(r.sessions()) == len(conf.peers)
	})
	return r
}

// reload gives the router another configuration.
func (r *router) reload(conf routerConf) {
	r.T.Helper()
	if r.Kind == "bird" {
		r.Write(conf.bird())
		r.try("", "configure")
		return
	}
	r.try(fmt.Sprintf("configure terminal\nbfd\nprofile p\ntransmit-interval %d\nreceive-interval %d", conf.interval, conf.interval), "")
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
	command := bird
	if r.Kind == "frr" {
		command = frr
	}
	out, err := r.Try(command)
	if err != nil {
		return fmt.Sprintf("%s%v", out, err)
	}
	return out
}

// sessions are the states that the router sees, in lower case, by peer.
func (r *router) sessions() map[string]string {
	text, out := r.try("show bfd peers json", "show bfd sessions"), map[string]string{}
	if r.Kind == "frr" {
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
	r.T.Helper()
	testlab.Eventually(r.T, 15*time.Second, r.Kind+" sees sessions "+state, func() bool {
		all := r.sessions()
		for _, s := range all {
			if s != state {
				return false
			}
		}
		return len(all) > 0
	})
}
