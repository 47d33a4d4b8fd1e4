package engine

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/route"
)

// manyHosts is a Config of hosts host-0.test, host-1.test … with an Ingress, a
// Service and 10 paths each: /1024, /2048 …. All lead to the same endpoints.
func manyHosts(n int, endpoints Pool) Config {
	ingresses, services := map[config.Key]*config.Ingress{}, map[config.Key]*config.Service{}
	for i := range n {
		key := config.Key{Namespace: "default", Name: fmt.Sprintf("host-%d", i)}
		services[key] = &config.Service{Key: key, Ports: []config.ServicePort{{Proto: config.TCP, Port: 80}}}
		ingress := &config.Ingress{Key: key}
		for p := range 10 {
			ingress.Rules = append(ingress.Rules, config.IngressRule{
				Host: key.Name + ".test", Path: fmt.Sprintf("/%d", 1024*(p+1)), Type: config.PathPrefix,
				Backend: config.IngressBackend{Service: key, Port: 80},
			})
		}
		ingresses[key] = ingress
	}
	table, _ := route.Build(route.Input{Snapshot: &config.Snapshot{Ingresses: config.TableOf(ingresses), Services: config.TableOf(services)}})
	cfg := Config{Router: byTable{table}}
	for range table.Groups() {
		cfg.Pools = append(cfg.Pools, endpoints)
	}
	return cfg
}

// swapWhenTold applies such a Config, and makes and applies another one whenever
// SIGHUP comes, until ctx ends.
func swapWhenTold(ctx context.Context, e *Engine, hosts int, endpoints Pool) {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGHUP)
	defer signal.Stop(told)
	for n := 1; ; n++ {
		e.Apply(manyHosts(hosts, endpoints))
		fmt.Println("applied", n)
		select {
		case <-ctx.Done():
			return
		case <-told:
		}
	}
}

func TestManyHosts(t *testing.T) {
	r := start(t, Options{})
	answer := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
	pool := Pool{Endpoints: []netip.AddrPort{netip.MustParseAddrPort(scripted(t, answer, answer, answer, answer).addr)}}
	conn := dial(t, r.addr)
	for range 2 { // a swap has everything stay as it is
		r.Apply(manyHosts(100, pool))
		for host, want := range map[string]int{"host-0.test": 200, "host-99.test": 200, "host-100.test": 404} {
			conn.say("GET /10240 HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
			if status, _, _ := conn.hears("GET"); status != want {
				t.Errorf("%s: %d, want %d", host, status, want)
			}
		}
	}
}
