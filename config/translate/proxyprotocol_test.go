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
		if svc.ProxyProtocol != c.want {
			t.Errorf("%s %s %s: version %d, want %d", c.annotations, c.kind, c.proto, svc.ProxyProtocol, c.want)
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
