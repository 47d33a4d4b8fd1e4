package route

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// world is a snapshot in the making, written as text in the tests.
type world struct {
	ingresses map[config.Key]*config.Ingress
	services  map[config.Key]*config.Service
	endpoints map[config.Key]*config.Endpoints
	certs     map[config.Key]*config.Certificate
	names     map[string]*Answer
}

func newWorld() *world {
	return &world{
		map[config.Key]*config.Ingress{}, map[config.Key]*config.Service{},
		map[config.Key]*config.Endpoints{}, map[config.Key]*config.Certificate{},
		map[string]*Answer{},
	}
}

func key(s string) config.Key {
	ns, name, ok := strings.Cut(s, "/")
	if !ok {
		return config.Key{Namespace: "default", Name: s}
	}
	return config.Key{Namespace: ns, Name: name}
}

// service adds a Service with port 80, named http, and one ready endpoint for
// each address.
func (w *world) service(name string, addrs ...string) *world {
	k := key(name)
	w.services[k] = &config.Service{Key: k, Ports: []config.ServicePort{
		{Name: "dns", Proto: config.UDP, Port: 53},
		{Name: "http", Proto: config.TCP, Port: 80},
	}}
	var backends []config.Backend
	for _, a := range addrs {
		backends = append(backends, config.Backend{Addr: netip.MustParseAddrPort(a), Ready: true, Serving: true})
	}
	w.endpoints[k] = &config.Endpoints{Service: k, Ports: []config.EndpointPort{{Name: "http", Proto: config.TCP, Backends: backends}}}
	return w
}

// ingress adds an Ingress that is age hours old, with rules such as
// "Prefix shop.test/cart web:80" or "default web:http"; a host may be left
// out, a bare "shop.test" is a rule without paths.
func (w *world) ingress(t *testing.T, name string, age int, rules ...string) *world {
	t.Helper()
	ing := &config.Ingress{Key: key(name), Created: time.Unix(1e9, 0).Add(-time.Duration(age) * time.Hour)}
	for _, r := range rules {
		f := strings.Fields(r)
		switch len(f) {
		case 1:
			ing.Rules = append(ing.Rules, config.IngressRule{Host: f[0]})
		case 2:
			b := backend(t, ing.Namespace, f[1])
			ing.Default = &b
		case 3:
			i := strings.IndexByte(f[1], '/')
			ing.Rules = append(ing.Rules, config.IngressRule{
				Type: config.PathType(f[0]), Host: f[1][:i], Path: f[1][i:], Backend: backend(t, ing.Namespace, f[2]),
			})
		default:
			t.Fatalf("rule %q", r)
		}
	}
	w.ingresses[ing.Key] = ing
	return w
}

func backend(t *testing.T, namespace, s string) config.IngressBackend {
	t.Helper()
	name, port, ok := strings.Cut(s, ":")
	if !ok {
		t.Fatalf("backend %q", s)
	}
	b := config.IngressBackend{Service: config.Key{Namespace: namespace, Name: name}}
	if _, err := fmt.Sscanf(port, "%d", &b.Port); err != nil {
		b.PortName = port
	}
	return b
}

func (w *world) input() Input {
	return Input{Snapshot: &config.Snapshot{
		Ingresses:    config.TableOf(w.ingresses),
		Services:     config.TableOf(w.services),
		Endpoints:    config.TableOf(w.endpoints),
		Certificates: config.TableOf(w.certs),
	}}
}

// ask says where a URL without a scheme leads: "ingress → service", with what
// is wrong, or 400 or 404.
func ask(t *testing.T, table *Table, url string) string {
	t.Helper()
	i := strings.IndexByte(url, '/')
	path, err := CleanPath(url[i:])
	if err != nil {
		return "400"
	}
	r, ok := table.Match(CleanHost(url[:i]), path)
	if !ok {
		return "404"
	}
	s := r.Ingress.Name + " → " + table.GroupOf(r).Service.Name
	if len(table.GroupOf(r).Endpoints) == 0 {
		s += " 503"
	}
	return s
}

func expect(t *testing.T, table *Table, want map[string]string) {
	t.Helper()
	for url, answer := range want {
		if got := ask(t, table, url); got != answer {
			t.Errorf("%s: got %q, want %q", url, got, answer)
		}
	}
}

func expectProblems(t *testing.T, got []config.Problem, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d problems, want %d", len(got), len(want))
	}
	for i, p := range got {
		if i >= len(want) || !strings.Contains(p.Reason+" "+p.Error(), want[i]) {
			t.Errorf("problem %d: %s %v, not as wanted", i, p.Reason, p.Error())
		}
		if p.Remedy == "" || p.Message == "" {
			t.Errorf("problem %d lacks a message or a remedy: %+v", i, p)
		}
	}
}

func addrsIn(list ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}
