package engine

import (
	"net/netip"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/route"
)

// byTable is how a table of package route is a Router.
type byTable struct{ *route.Table }

func (t byTable) Route(host, path string) (Route, bool) {
	clean, err := route.CleanPath(path)
	if err != nil {
		return Route{}, false
	}
	r, ok := t.Match(route.CleanHost(host), clean)
	if !ok {
		return Route{}, false
	}
	return Route{Pool: r.Group}, true
}

// TestRoutingTable: hosts and paths of an Ingress lead to its Services.
func TestRoutingTable(t *testing.T) {
	ing := &config.Ingress{Key: config.Key{Namespace: "default", Name: "shop"}}
	services, endpoints := map[config.Key]*config.Service{}, map[config.Key]*config.Endpoints{}
	for path, name := range map[string]string{"/": "shop", "/cart": "cart"} {
		key := config.Key{Namespace: "default", Name: name}
		answer := "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + name
		addr := netip.MustParseAddrPort(scripted(t, answer, answer, answer).addr)
		services[key] = &config.Service{Key: key, Ports: []config.ServicePort{{Name: "http", Proto: config.TCP, Port: 80}}}
		endpoints[key] = &config.Endpoints{Service: key, Ports: []config.EndpointPort{{Name: "http", Proto: config.TCP, Backends: []config.Backend{{Addr: addr, Ready: true, Serving: true}}}}}
		ing.Rules = append(ing.Rules, config.IngressRule{Type: config.PathPrefix, Host: "shop.test", Path: path, Backend: config.IngressBackend{Service: key, Port: 80}})
	}
	table, problems := route.Build(route.Input{Snapshot: &config.Snapshot{
		Ingresses: config.TableOf(map[config.Key]*config.Ingress{ing.Key: ing}),
		Services:  config.TableOf(services), Endpoints: config.TableOf(endpoints),
	}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	cfg := Config{Router: byTable{table}}
	for _, g := range table.Groups() {
		cfg.Pools = append(cfg.Pools, Pool{Endpoints: g.Endpoints, Fault: g.Fault})
	}
	r := start(t, Options{})
	r.Apply(cfg)
	conn := dial(t, r.addr)
	for _, c := range []struct{ target, host, want string }{
		{"/", "shop.test", "shop"},
		{"/a/../cart//x", "Shop.Test:80", "cart"},
		{"/%63art", "shop.test", "cart"},
		{"/cart%2Fx", "shop.test", "shop"},
		{"http://shop.test/cart", "other.test", "cart"},
		{"/", "other.test", "404 Not Found: there is no route for this host and path\n"},
	} {
		conn.say("GET " + c.target + " HTTP/1.1\r\nHost: " + c.host + "\r\n\r\n")
		if _, body, _ := conn.hears("GET"); body != c.want {
			t.Errorf("%s at %s: %q, want %q", c.target, c.host, body, c.want)
		}
	}
}
