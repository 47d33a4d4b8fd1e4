package area

import (
	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/bench/gobench"
	"github.com/steelyard-lb/steelyard/e2etest/bench/proxying"
)

// How the figures of the HTTP engine are measured.
var (
	small64    = proxying.Requests("h1-1k-64", proxying.Load{Size: 1 << 10, Clients: 64, Requests: 30_000})
	small512   = proxying.Requests("h1-1k-512", proxying.Load{Size: 1 << 10, Clients: 512, Requests: 30_000})
	large      = proxying.Requests("h1-100k", proxying.Load{Size: 100 << 10, Clients: 64, Requests: 10_000})
	tlsSmall   = proxying.Requests("tls-1k", proxying.Load{Size: 1 << 10, Clients: 64, Requests: 30_000, TLS: true})
	tlsLarge   = proxying.Requests("tls-100k", proxying.Load{Size: 100 << 10, Clients: 64, Requests: 6_000, TLS: true})
	handshakes = proxying.Requests("handshakes", proxying.Load{Size: 1 << 10, Requests: 3_000, TLS: true, Fresh: true})
	h2Small    = proxying.Requests("h2-1k", proxying.Load{Size: 1 << 10, Clients: 64, Streams: 8, Requests: 50_000, TLS: true, HTTP2: true})
	h2Large    = proxying.Requests("h2-100k", proxying.Load{Size: 100 << 10, Clients: 16, Streams: 4, Requests: 6_000, TLS: true, HTTP2: true})
	grpc       = proxying.Requests("grpc-unary", proxying.Load{Size: 100, Clients: 16, Streams: 8, Requests: 30_000, TLS: true, HTTP2: true, GRPC: true})
	halfLoad   = proxying.HalfLoad("cpu-halfload", proxying.Load{Size: 1 << 10, Clients: 64, Requests: 30_000})
	idle4000   = proxying.Idle("pss-idle-4000", 4000)
	webSocks   = proxying.WebSockets("websocket", 1000, 100, 50_000)
	swapping   = proxying.Swap("swap", proxying.Load{Size: 1 << 10, Clients: 64, Requests: 40_000}, 10_000)
	routing    = gobench.Rig("http/route", gobench.Spec{Package: "./ingress/route", Bench: "^BenchmarkMatch$/^10000x10$", Time: "1s"})
)

// besideProxies is a figure with nginx, HAProxy and Caddy beside us; of Caddy nothing
// is asked. Behind ours is which part of the requests it wrote into its access log.
func besideProxies(name, unit string, rig *bench.Rig, metric string, nginx, haproxy bench.Bar) bench.Figure {
	return bench.Figure{
		Name: name, Unit: unit, Peer: "nginx", Bar: nginx, AlsoBars: []bench.Bar{haproxy}, Rig: rig, Metrics: []string{metric},
		Also:  []bench.Reading{{Name: "HAProxy", Metric: proxying.HAProxy + metric}, {Name: "Caddy", Metric: proxying.Caddy + metric}},
		Notes: []bench.Reading{{Name: "logged", Metric: proxying.MetricLogged}},
	}
}

// work is such a figure of what is done in a second of processor time.
func work(name string, rig *bench.Rig, nginx, haproxy float64) bench.Figure {
	return besideProxies(name, "requests/CPU-s", rig, proxying.MetricWork, bench.AtLeast(nginx), bench.AtLeast(haproxy))
}

// need is such a figure of what should be small.
func need(name, unit string, rig *bench.Rig, metric string, limit float64) bench.Figure {
	return besideProxies(name, unit, rig, metric, bench.AtMost(limit), bench.AtMost(limit))
}

// withoutCaddy is a figure of what Caddy cannot do.
func withoutCaddy(f bench.Figure) bench.Figure {
	f.Also = f.Also[:1]
	return f
}

var http = []bench.Figure{
	work("http/h1-1k-64", small64, 1.15, 1.3),
	work("http/h1-1k-512", small512, 1.15, 1.3),
	work("http/h1-100k", large, 1.3, 1.3),
	work("http/tls-1k", tlsSmall, 1.15, 1.3),
	work("http/tls-100k", tlsLarge, 1.15, 1.3),
	work("http/handshakes", handshakes, 1, 1),
	work("http/h2-1k", h2Small, 1.5, 1.3),
	work("http/h2-100k", h2Large, 1.05, 1.2),
	need("http/p99-512", "ms", small512, proxying.MetricP99, 1),
	need("http/pss-512", "MB", small512, proxying.MetricShare, 0.6),
	need("http/pss-idle-4000", "MB", idle4000, proxying.MetricShare, 0.6),
	withoutCaddy(need("http/cpu-halfload", "µs/request", halfLoad, proxying.MetricEach, 0.85)),
	besideProxies("http/grpc-unary", "calls/CPU-s", grpc, proxying.MetricWork, bench.Bar{}, bench.Bar{}),
	besideProxies("http/websocket", "messages/CPU-s", webSocks, proxying.MetricWork, bench.Bar{}, bench.Bar{}),
	{Name: "http/route", Unit: "µs", Bar: bench.AtMost(1), Rig: routing, Scale: nanoToUs, Metrics: []string{"BenchmarkMatch/10000x10 ns/op"},
		Notes: []bench.Reading{{Name: "allocations", Metric: "BenchmarkMatch/10000x10 allocs/op"}}},
	{Name: "http/swap", Unit: "times p99", Bar: bench.AtMost(2), Rig: swapping, Metrics: []string{proxying.MetricSlower},
		Notes: []bench.Reading{{Name: "ms", Metric: proxying.MetricP99}, {Name: "swaps", Metric: proxying.MetricSwaps}}},
}
