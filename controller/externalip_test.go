package controller

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"

	"github.com/steelyard-lb/steelyard/config"
)

// withExternalIP is a Service of type ClusterIP, made at that second.
func withExternalIP(name string, made int64, addrs ...string) *config.Service {
	svc := &config.Service{Key: config.Key{Namespace: "t", Name: name}, UID: name, Type: config.ClusterIP,
		Created: time.Unix(made, 0), Ports: []config.ServicePort{{Name: "http", Proto: config.TCP, Port: 80}}}
	for _, a := range addrs {
		svc.ExternalIPs = append(svc.ExternalIPs, netip.MustParseAddr(a))
	}
	return svc
}

// Those that are refused, and those that an older Service has, are told of on
// the Service, once.
func TestExternalIPsTold(t *testing.T) {
	c := newCluster()
	c.set(withExternalIP("elder", 1, "203.0.113.1"))
	c.set(withExternalIP("younger", 2, "203.0.113.1", "203.0.113.2"))
	c.set(withExternalIP("thief", 3, "192.0.2.1"))
	allowed, _ := config.ParsePrefixes([]string{"203.0.113.0/28"})
	r := newReign(New(Options{ExternalIPs: allowed}, c, log.NewNopLogger(), nil))
	told := func() string {
		c.mu.Lock()
		defer c.mu.Unlock()
		events := strings.Join(c.events, "\n")
		c.events = nil
		return events
	}
	r.step(c.snapshot(), time.Now())
	got := told()
	for _, want := range []string{"younger", "Conflict", "port 80/TCP of 203.0.113.1", "Service t/elder", "thief", "NotAllowed", "192.0.2.1 is not forwarded"} {
		if !strings.Contains(got, want) {
			t.Errorf("events %q lack %q", got, want)
		}
	}
	if n := strings.Count(got, "spec.externalIPs"); n != 2 {
		t.Errorf("%d events of external IPs: %s", n, got)
	}
	c.edit("thief", func(svc *config.Service) { svc.Labels = map[string]string{"a": "b"} })
	r.step(c.snapshot(), time.Now())
	if got := told(); got != "" {
		t.Errorf("told again: %s", got)
	}
	c.remove("elder") // the younger one has the address now
	r.step(c.snapshot(), time.Now())
	if got := told(); got != "" || len(r.externals) != 1 {
		t.Errorf("events %s, problems %v", got, r.externals)
	}
	if off := externalIPProblems(c.snapshot(), nil); off != nil {
		t.Errorf("switched off: %v", fmt.Sprint(off))
	}
}
