package translate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
	corev1 "k8s.io/api/core/v1"
)

func TestProxyProtocol(t *testing.T) {
	const name = "steelyard.io/proxy-protocol"
	for _, c := range []struct {
		annotations, kind, proto string
		want                     uint8
		said                     string
	}{
		{"", "LoadBalancer", "TCP", 0, ""},
		{name + ": v1", "LoadBalancer", "TCP", 1, ""},
		{name + ": ' v2 '", "NodePort", "TCP", 2, ""},
		{name + ": v3", "LoadBalancer", "TCP", 0, `metadata.annotations[` + name + `]: "v3" is no version of the PROXY protocol; connections go to the backends without it; use v1 or v2`},
		{name + ": '2'", "LoadBalancer", "TCP", 0, `"2" is no version`},
		{name + ": ''", "LoadBalancer", "TCP", 0, `"" is no version`},
		{name + ": v2", "ClusterIP", "TCP", 0, "Services of type ClusterIP are not forwarded by Steelyard; remove it, or use type LoadBalancer or NodePort"},
		{name + ": v2", "LoadBalancer", "UDP", 0, "the PROXY protocol is for TCP, and the Service has no TCP port; remove it"},
	} {
		svc, problems := Service(manifest[corev1.Service](t, fmt.Sprintf(checked, c.annotations, c.kind, c.proto)))
		if p := svc.ProxyProtocol; (p != nil) != (c.want != 0) || p != nil && (p.Version != c.want || p.From != nil) {
			t.Errorf("%s %s %s: %+v, want version %d", c.annotations, c.kind, c.proto, p, c.want)
		}
		var said []string
		for _, p := range problems {
			if p.Object != (config.Ref{Kind: config.KindService, Key: svc.Key}) || p.Remedy == "" {
				t.Errorf("%s: problem %+v", c.annotations, p)
			}
			said = append(said, p.String())
		}
		if got := strings.Join(said, " | "); (c.said == "") != (got == "") || !strings.Contains(got, c.said) {
			t.Errorf("%s %s %s: said %q, want %q", c.annotations, c.kind, c.proto, got, c.said)
		}
	}
}

func TestProxyProtocolFrom(t *testing.T) {
	const name = "steelyard.io/proxy-protocol"
	for _, c := range []struct{ from, want, said string }{
		{"192.0.2.0/24, 2001:db8::7", "[192.0.2.0/24 2001:db8::7/128]", ""},
		{" 192.0.2.77/24 10.0.0.1,", "[192.0.2.0/24 10.0.0.1/32]", ""},
		{"", "[]", name + `-from]: names nobody; write the addresses of the proxies in front, or remove it`},
		{"192.0.2.1, everybody", "[192.0.2.1/32]", `cannot read "everybody"; headers from there are not believed; write addresses and CIDRs`},
		{"192.0.2.0/33", "[]", `cannot read "192.0.2.0/33"`},
		{"fe80::1%eth0", "[]", `cannot read "fe80::1%eth0"`},
		{"::ffff:192.0.2.1", "[]", `cannot read "::ffff:192.0.2.1"`},
	} {
		svc, problems := Service(manifest[corev1.Service](t, fmt.Sprintf(checked, fmt.Sprintf("%s: v2, %s-from: '%s'", name, name, c.from), "LoadBalancer", "TCP")))
		if got := fmt.Sprint(svc.ProxyProtocol.From); got != c.want {
			t.Errorf("%q: from %s, want %s", c.from, got, c.want)
		}
		if (len(problems) > 0) != (c.said != "") || len(problems) > 0 && !strings.Contains(problems[0].String(), c.said) {
			t.Errorf("%q: said %v, want %q", c.from, problems, c.said)
		}
	}
	svc, problems := Service(manifest[corev1.Service](t, fmt.Sprintf(checked, name+"-from: 10.0.0.1", "LoadBalancer", "TCP")))
	if svc.ProxyProtocol != nil || len(problems) != 1 || !strings.Contains(problems[0].String(), "does nothing by itself; add "+name+": v1 or v2") {
		t.Errorf("%+v %v", svc.ProxyProtocol, problems)
	}
}
