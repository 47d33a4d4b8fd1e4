package check

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// Each case is what differs from a Service of our own with one backend, and what
// is checked.
func TestTargets(t *testing.T) {
	type input struct {
		svc  *config.Service
		port *config.EndpointPort
		b    *config.Backend
	}
	for _, c := range []struct {
		name   string
		change func(in input)
		want   string
	}{
		{"as it is", func(input) {}, "10.0.0.1:8080"},
		{"no check", func(in input) { in.svc.Check = nil }, ""},
		{"another port", func(in input) { in.svc.Check.Port = 9 }, "10.0.0.1:9"},
		{"being deleted", func(in input) { in.svc.Deleted = true }, ""},
		{"of another class", func(in input) { in.svc.Class = "other" }, ""},
		{"of another class, with a node port", func(in input) { in.svc.Class, in.svc.Ports[0].NodePort = "other", 30000 }, "10.0.0.1:8080"},
		{"ClusterIP", func(in input) { in.svc.Type = config.ClusterIP }, ""},
		{"UDP", func(in input) { in.svc.Ports[0].Proto, in.port.Proto = config.UDP, config.UDP }, ""},
		{"UDP, another port", func(in input) {
			in.svc.Ports[0].Proto, in.port.Proto, in.svc.Check.Port = config.UDP, config.UDP, 9
		}, "10.0.0.1:9"},
		{"not ready", func(in input) { in.b.Ready, in.b.Serving = false, false }, ""},
		{"draining", func(in input) { in.b.Ready, in.b.Terminating = false, true }, "10.0.0.1:8080"},
		{"loopback", func(in input) { in.b.Addr = netip.MustParseAddrPort("127.0.0.1:8080") }, ""},
		{"link-local", func(in input) { in.b.Addr = netip.MustParseAddrPort("169.254.169.254:80") }, ""},
		{"IPv6", func(in input) { in.b.Addr = netip.MustParseAddrPort("[fd00::1]:80") }, "[fd00::1]:80"},
	} {
		check := target(0).Check
		svc := &config.Service{Type: config.LoadBalancer, Check: &check, Ports: []config.ServicePort{{Proto: config.TCP, Port: 80}}}
		eps := &config.Endpoints{Ports: []config.EndpointPort{{Proto: config.TCP, Backends: []config.Backend{
			{Addr: netip.MustParseAddrPort("10.0.0.1:8080"), Ready: true, Serving: true}}}}}
		c.change(input{svc, &eps.Ports[0], &eps.Ports[0].Backends[0]})
		watched, made := targets(svc, eps, nil)
		got := ""
		for _, w := range watched {
			got += fmt.Sprint(made[w.Target].Addr)
		}
		if got != c.want || len(made) != len(watched) {
			t.Errorf("%s: checks %q, want %q", c.name, got, c.want)
		}
	}
}

// Targets that differ in anything have different names; equal ones the same on
// every node and in every version.
func TestIDs(t *testing.T) {
	seen := map[ID]bool{}
	base := target(1)
	for _, change := range []func(*Target){
		func(*Target) {}, func(x *Target) { x.Addr = netip.MustParseAddrPort("10.0.0.1:81") },
		func(x *Target) { x.Check.Kind = config.CheckGRPC }, func(x *Target) { x.Check.Path = "/" },
		func(x *Target) { x.Check.Interval++ }, func(x *Target) { x.Check.Timeout++ },
		func(x *Target) { x.Check.Rise++ }, func(x *Target) { x.Check.Fall++ },
	} {
		x := base
		change(&x)
		if seen[x.ID()] {
			t.Errorf("%+v has the name of another", x)
		}
		seen[x.ID()] = true
	}
	if got := fmt.Sprintf("%x", uint64(base.ID())); got != "cfc5500c90550e7b" {
		t.Errorf("the name of a target is %s: nodes of another version do not know it", got)
	}
}
