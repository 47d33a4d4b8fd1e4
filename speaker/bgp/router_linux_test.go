package bgp

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

// routerConf is how a router is set up. Every router is AS 64501 unless told,
// passive, a graceful-restart helper, and installs what it learns.
type routerConf struct {
	asn, nodeASN uint32 // 64501 and 64512 if zero
	password     string
	port         int  // that it listens on; 179 if zero
	hold         int  // seconds; 90 if zero
	two          bool // spread over both speakers of the node, see lab.twoSpeakers
	connects     bool // it connects to the node, which waits
	hops         int  // how far away the node is; 1 if zero
	gtsm         bool // no packets from further away
	routes       int  // how many the router sends, of each family
	unnumbered   bool // the node is a neighbor by the interface alone
	restart      int  // seconds in which it is back, by graceful restart; else it only helps others
	forwards     bool // FRR says after each start that it went on forwarding
	gshut        bool // BIRD too heeds GRACEFUL_SHUTDOWN; FRR does so unasked from other ASes
}

func (c routerConf) withDefaults() routerConf {
	if c.asn == 0 {
		c.asn = 64501
	}
	if c.nodeASN == 0 {
		c.nodeASN = 64512
	}
	if c.port == 0 {
		c.port = 179
	}
	if c.hold == 0 {
		c.hold = 90
	}
	if c.hops == 0 {
		c.hops = 1
	}
	return c
}

// neighbors are the addresses from which speakers connect.
func (c routerConf) neighbors() []string {
	if c.two {
		return []string{node4, node6, node4b, node6b}
	}
	return []string{node4, node6}
}

// router is FRR or BIRD in the lab's router namespace.
type router struct{ *testlab.Router }

func (l *lab) startRouter(kind string, conf routerConf) *router {
	l.t.Helper()
	conf = conf.withDefaults()
	text := conf.bird()
	if kind == "frr" {
		text = conf.frr()
	}
	r := &router{testlab.StartRouter(l.t, l.router, kind, testlab.Setup{
		Text: text, Daemon: "bgpd", Env: roleVar + "=router",
		Flags: func(string) []string { return []string{"-p", strconv.Itoa(conf.port)} },
	})}
	l.t.Cleanup(func() {
		if l.t.Failed() {
			l.t.Logf("%s said:\n%s\n%s", kind, r.Out, r.status())
		}
	})
	testlab.Eventually(l.t, 20*time.Second, kind+" answers", func() bool { _, err := r.Try(r.hello()); return err == nil })
	return r
}

// configure gives the running router another password.
func (r *router) configure(conf routerConf) {
	r.T.Helper()
	if r.Kind == "bird" {
		r.Write(conf.withDefaults().bird())
		r.Do("configure")
		return
	}
	lines := "configure terminal\nrouter bgp 64501"
	for _, n := range conf.neighbors() {
		lines += "\nneighbor " + n + " password " + conf.password
	}
	r.Do(lines)
}

func (c routerConf) frr() string {
	var b strings.Builder
	if c.unnumbered {
		fmt.Fprintf(&b, `router bgp %d
 bgp router-id %s
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 no bgp network import-check
 neighbor eth0 interface remote-as external
 neighbor eth0 timers connect 1
 address-family ipv4 unicast
  neighbor eth0 activate
%s exit-address-family
 address-family ipv6 unicast
  neighbor eth0 activate
%s exit-address-family
`, c.asn, router4, c.frrNetworks("ipv4"), c.frrNetworks("ipv6"))
		return b.String()
	}
	fmt.Fprintf(&b, "router bgp %d\n bgp router-id %s\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n no bgp network import-check\n bgp long-lived-graceful-restart stale-time 60\n", c.asn, router4)
	if c.restart > 0 {
		fmt.Fprintf(&b, " bgp graceful-restart\n bgp graceful-restart restart-time %d\n", c.restart)
	}
	if c.forwards {
		b.WriteString(" bgp graceful-restart preserve-fw-state\n")
	}
	for _, n := range c.neighbors() {
		fmt.Fprintf(&b, " neighbor %s remote-as %d\n neighbor %s timers %d %d\n", n, c.nodeASN, n, c.hold/3, c.hold)
		if c.connects {
			fmt.Fprintf(&b, " neighbor %s timers connect 1\n", n)
		} else {
			fmt.Fprintf(&b, " neighbor %s passive\n", n)
		}
		if c.password != "" {
			fmt.Fprintf(&b, " neighbor %s password %s\n", n, c.password)
		}
		if c.gtsm {
			fmt.Fprintf(&b, " neighbor %s ttl-security hops %d\n", n, c.hops)
		} else if c.hops > 1 {
			fmt.Fprintf(&b, " neighbor %s ebgp-multihop %d\n", n, c.hops)
		}
	}
	for _, af := range []string{"ipv4", "ipv6"} {
		fmt.Fprintf(&b, " address-family %s unicast\n  maximum-paths 16\n  maximum-paths ibgp 16\n", af)
		for _, n := range c.neighbors() {
			fmt.Fprintf(&b, "  neighbor %s activate\n", n)
		}
		b.WriteString(c.frrNetworks(af) + " exit-address-family\n")
	}
	return b.String()
}

// frrNetworks are the routes of one family that FRR sends.
func (c routerConf) frrNetworks(family string) (out string) {
	for i := range c.routes {
		out += fmt.Sprintf(map[string]string{"ipv4": "  network 10.200.%d.0/24\n", "ipv6": "  network 2001:db8:200:%d::/64\n"}[family], i)
	}
	return out
}

func (c routerConf) bird() string {
	var b strings.Builder
	fmt.Fprintf(&b, "log stderr all;\nrouter id %s;\nprotocol device {}\nprotocol direct { ipv4; ipv6; }\n", router4)
	b.WriteString("protocol kernel k4 { ipv4 { export where source = RTS_BGP; import none; }; merge paths on; }\n")
	b.WriteString("protocol kernel k6 { ipv6 { export where source = RTS_BGP; import none; }; merge paths on; }\n")
	if c.routes > 0 {
		b.WriteString("protocol static s4 { ipv4;\n")
		for i := range c.routes {
			fmt.Fprintf(&b, " route 10.200.%d.0/24 blackhole;\n", i)
		}
		b.WriteString("}\nprotocol static s6 { ipv6;\n")
		for i := range c.routes {
			fmt.Fprintf(&b, " route 2001:db8:200:%d::/64 blackhole;\n", i)
		}
		b.WriteString("}\n")
	}
	exports := "none"
	if c.routes > 0 {
		exports = "where source = RTS_STATIC"
	}
	if c.unnumbered {
		fmt.Fprintf(&b, `protocol radv { interface "eth0" { max ra interval 10; }; }
protocol bgp n { local as %d; neighbor range fe80::/10 as %d; interface "eth0"; dynamic name "node"; error wait time 1, 2; graceful restart on;
 ipv4 { import all; export %s; extended next hop on; };
 ipv6 { import all; export %[3]s; };
}
`, c.asn, c.nodeASN, exports)
		return b.String()
	}
	if c.hops > 1 { // BIRD does not look for next hops in the kernel
		fmt.Fprintf(&b, "protocol static { ipv4; route %s/32 via %s; }\nprotocol static { ipv6; route %s/128 via %s; }\n", node4, hop4, node6, hop6)
	}
	// BIRD hears nobody for 60 s after an error, where a test awaits the next attempt
	imports, passive := "all", " passive; error wait time 1, 2;"
	if c.connects {
		passive = " connect delay time 1; connect retry time 1; error wait time 1, 2;"
	}
	if c.gshut {
		imports = "filter { if (65535,0) ~ bgp_community then bgp_local_pref = 0; accept; }"
	}
	for i, n := range c.neighbors() {
		local := []string{router4, router6}[i%2]
		name := []string{"n4", "n6", "n4b", "n6b"}[i]
		fmt.Fprintf(&b, "protocol bgp %s { local %s port %d as %d; neighbor %s as %d;%s hold time %d; graceful restart on; long lived graceful restart on;\n",
			name, local, c.port, c.asn, n, c.nodeASN, passive, c.hold)
		if c.password != "" {
			fmt.Fprintf(&b, " password %q;\n", c.password)
		}
		if c.restart > 0 {
			fmt.Fprintf(&b, " graceful restart time %d;\n", c.restart)
		}
		if c.gtsm {
			b.WriteString(" ttl security on;\n")
		}
		if c.hops > 1 {
			fmt.Fprintf(&b, " multihop %d;\n", c.hops)
		}
		fmt.Fprintf(&b, " ipv4 { import %s; export %s; extended next hop on; };\n ipv6 { import %[1]s; export %[2]s; };\n}\n", imports, exports)
	}
	return b.String()
}

func (r *router) hello() string {
	if r.Kind == "frr" {
		return "show bgp summary"
	}
	return "show status"
}

// route is what the router says of a prefix, with all attributes.
func (r *router) route(prefix string) string {
	r.T.Helper()
	if r.Kind == "bird" {
		return r.Do("show route for " + prefix + " all")
	}
	family := "ipv4"
	if strings.Contains(prefix, ":") {
		family = "ipv6"
	}
	return r.Do("show bgp " + family + " unicast " + prefix)
}

// status is for the log of a failed test.
func (r *router) status() string {
	command := "show bgp neighbors\nshow ip route\nshow ipv6 route"
	if r.Kind == "bird" {
		command = "show protocols all"
	}
	out, _ := r.Try(command)
	return out
}
