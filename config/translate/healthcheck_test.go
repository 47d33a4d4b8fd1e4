package translate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
	corev1 "k8s.io/api/core/v1"
)

const checked = `
metadata: {name: web, namespace: default, annotations: {%s}}
spec: {type: %s, ports: [{port: 80, protocol: %s}]}`

// Each case is annotations, without what all names begin with, and the check
// that they ask for or what is said of them.
func TestHealthCheck(t *testing.T) {
	for _, c := range []struct{ annotations, want string }{
		{"", "none"},
		{": tcp", "tcp '' :0 2s 1s 2 3"},
		{": http", "http '/' :0 2s 1s 2 3"},
		{": https, -path: '/healthz?full=1', -port: '8443'", "https '/healthz?full=1' :8443 2s 1s 2 3"},
		{": grpc", "grpc '' :0 2s 1s 2 3"},
		{": grpc, -path: shop.v1.Cart", "grpc 'shop.v1.Cart' :0 2s 1s 2 3"},
		{": ' tcp ', -interval: ' 500ms '", "tcp '' :0 500ms 500ms 2 3"},
		{": tcp, -interval: 1h, -timeout: 1m, -rise: '1', -fall: '100'", "tcp '' :0 1h0m0s 1m0s 1 100"},

		{": TCP", `: "TCP" is unknown; use tcp, http, https or grpc`},
		{": ''", `: "" is unknown; use tcp, http, https or grpc`},
		{"-port: '80'", "-port: does nothing by itself; add steelyard.io/health-check: tcp, http, https or grpc"},
		{": tcp, -intervall: 1s", "-intervall: there is no such annotation; there are steelyard.io/health-check-{path,port,interval,timeout,rise,fall}"},
		{": tcp, -path: /", "-path: a check by tcp has no path; remove it, or use http, https or grpc"},
		{": http, -path: healthz", `-path: "healthz" cannot be asked for; write a path such as /healthz`},
		{": http, -path: ''", `-path: "" cannot be asked for; write a path such as /healthz`},
		{": http, -path: 'http://10.0.0.1/'", `-path: "http://10.0.0.1/" cannot be asked for`},
		{`: http, -path: "/ HTTP/1.1\r\nHost: x"`, `-path: "/ HTTP/1.1\r\nHost: x" cannot be asked for`},
		{": http, -path: /" + strings.Repeat("a", 1024), "-path: is of 1025 characters; write at most 1024 characters"},
		{": grpc, -path: 'a b'", `-path: "a b" cannot be one; write the name of a gRPC service`},
		{": tcp, -port: '0'", `-port: "0" is none; write a number from 1 to 65535`},
		{": tcp, -port: '65536'", `-port: "65536" is none`},
		{": tcp, -port: http", `-port: "http" is none`},
		{": tcp, -rise: '0'", `-rise: "0" is none; write a number from 1 to 100`},
		{": tcp, -fall: '101'", `-fall: "101" is none`},
		{": tcp, -interval: '5'", `-interval: cannot read "5"; write a duration such as 2s or 500ms`},
		{": tcp, -interval: 499ms", `-interval: "499ms" is not within the limits; write a duration from 500ms to 1h0m0s`},
		{": tcp, -interval: -2s", `-interval: "-2s" is not within the limits`},
		{": tcp, -timeout: 3s", `-timeout: "3s" is not within the limits; write a duration from 10ms to 2s, the interval`},
	} {
		if got := checkText(t, c.annotations, "LoadBalancer", "TCP"); got != c.want && (!strings.Contains(c.want, ": ") || !strings.HasPrefix(got, c.want)) {
			t.Errorf("%s:\n got %s\nwant %s", c.annotations, got, c.want)
		}
	}
}

// A check that nothing would come of is told of.
func TestHealthCheckWithoutEffect(t *testing.T) {
	for _, c := range []struct{ annotations, kind, proto, want string }{
		{": tcp", "ClusterIP", "TCP", ": Services of type ClusterIP are not forwarded by Steelyard; remove it, or use type LoadBalancer or NodePort"},
		{": tcp", "NodePort", "TCP", "tcp '' :0 2s 1s 2 3"},
		{": tcp", "LoadBalancer", "UDP", ": checks are made by TCP, and the Service has no TCP port; name a TCP port of the backends with steelyard.io/health-check-port"},
		{": tcp, -port: '53'", "LoadBalancer", "UDP", "tcp '' :53 2s 1s 2 3"},
	} {
		if got := checkText(t, c.annotations, c.kind, c.proto); got != c.want {
			t.Errorf("%s %s %s:\n got %s\nwant %s", c.annotations, c.kind, c.proto, got, c.want)
		}
	}
}

// checkText is the check of a Service, or all that is said of it.
func checkText(t *testing.T, annotations, kind, proto string) string {
	t.Helper()
	for _, end := range []string{":", "-"} { // every name begins alike
		annotations = strings.ReplaceAll(", "+annotations, ", "+end, ", steelyard.io/health-check"+end)
		annotations = strings.TrimPrefix(annotations, ", ")
	}
	svc, problems := Service(manifest[corev1.Service](t, fmt.Sprintf(checked, annotations, kind, proto)))
	var said []string
	for _, p := range problems {
		if p.Object != (config.Ref{Kind: config.KindService, Key: svc.Key}) || p.Remedy == "" {
			t.Errorf("%s: problem %+v", annotations, p)
		}
		text := strings.Replace(p.String(), "metadata.annotations[steelyard.io/health-check", "", 1)
		said = append(said, strings.Replace(text, "]", "", 1))
	}
	switch c := svc.Check; {
	case c != nil && len(said) > 0:
		t.Errorf("%s: checked in spite of %q", annotations, said)
	case c != nil:
		return fmt.Sprintf("%s '%s' :%d %v %v %d %d", c.Kind, c.Path, c.Port, c.Interval, c.Timeout, c.Rise, c.Fall)
	case len(said) == 0:
		return "none"
	}
	return strings.Join(said, " | ")
}
