package proxying

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
)

// Metrics are reported under these names, of the first peer, nginx; those of the
// others have its name before them.
const (
	MetricWork   = "work"   // requests in a second of the proxy's processor time
	MetricP99    = "p99"    // ms until an answer is there
	MetricShare  = "PSS"    // MB of memory under load
	MetricEach   = "each"   // µs of the proxy's processor time for a request
	MetricLogged = "logged" // which part of the requests is in the access log

	HAProxy, Caddy = "HAProxy ", "Caddy "
)

// kind is what a rig does.
type kind struct {
	name   string
	origin func(ctx context.Context, dir string) (end func() error, err error)
	speech speech
	begin  starter // of ours
	peers  int     // how many of nginx, HAProxy and Caddy are beside it
	// measure is one round of one proxy.
	measure func(ctx context.Context, r *run, p *proxy) (bench.Metrics, error)
}

// Requests measures a load, again and again.
func Requests(name string, load Load) *bench.Rig {
	return kind{name, load.origin(), load.speech(), startEngine, 3, func(ctx context.Context, r *run, p *proxy) (bench.Metrics, error) {
		m, _, err := load.measure(ctx, r.dir, p)
		return m, err
	}}.rig()
}

// origin is who can answer the load.
func (l Load) origin() func(ctx context.Context, dir string) (end func() error, err error) {
	if l.GRPC {
		return calls
	}
	return files(l.Size)
}

func (l Load) speech() speech { return speech{tls: l.TLS, grpc: l.GRPC} }

// rig makes a rig that starts the origin and all proxies.
func (k kind) rig() *bench.Rig {
	return &bench.Rig{Name: "http/" + k.name, Proxies: true, Open: func(ctx context.Context, env *bench.Env) (bench.Instrument, error) {
		r := &run{kind: k}
		if err := r.open(ctx, env); err != nil {
			return nil, errors.Join(err, r.Close())
		}
		if r.ours.log == "" && len(r.beside) > 0 {
			env.Say("NOT THE SAME WORK: this engine writes no access log, its peers do")
		}
		return r, nil
	}}
}

// run is an open rig.
type run struct {
	kind
	dir    string
	ours   *proxy
	beside []peer
	half   float64 // requests per second: half of what the first peer can do; 0 if nobody has asked yet
	bench.Ends
}

// peer is a proxy beside ours.
type peer struct {
	prefix string // of the names of its metrics
	*proxy
}

func (r *run) open(ctx context.Context, env *bench.Env) (err error) {
	if r.dir, err = os.MkdirTemp(env.Dir, "proxying-"); err != nil {
		return err
	}
	if err := makeIdentity(r.dir); err != nil {
		return err
	}
	end, err := r.origin(ctx, r.dir)
	if err != nil {
		return err
	}
	r.Ends = append(r.Ends, end)
	if r.ours, err = r.start(ctx, r.begin); err != nil {
		return err
	}
	for _, each := range []struct {
		prefix string
		begin  starter
	}{{"", startNginx}, {HAProxy, startHAProxy}, {Caddy, startCaddy}}[:r.kind.peers] {
		p, err := r.start(ctx, each.begin)
		if err != nil {
			return err
		}
		r.beside = append(r.beside, peer{each.prefix, p})
	}
	return nil
}

// start starts a proxy, and has it do some work, so that connections and memory are
// there when it counts.
func (r *run) start(ctx context.Context, begin starter) (*proxy, error) {
	p, err := begin(r.dir, r.speech)
	if err != nil {
		return nil, err
	}
	r.Ends = append(r.Ends, p.Stop)
	if err := awaitPort(ctx, p.addr); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", p.Name, err, p.Tail())
	}
	_, err = r.measure(ctx, r, p)
	return p, err
}

// awaitPort waits until somebody listens at addr.
func awaitPort(ctx context.Context, addr string) error {
	return bench.Await(ctx, 15*time.Second, 20*time.Millisecond, func() error {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// measure runs a load at a proxy.
func (l Load) measure(ctx context.Context, dir string, p *proxy) (m bench.Metrics, took time.Duration, err error) {
	memory := watch(p)
	var out outcome
	spent, err := p.spend(func() (err error) {
		out, err = l.run(ctx, dir, p.addr)
		return err
	})
	most := memory.end()
	if err != nil {
		return nil, 0, err
	}
	logged, err := p.log.take(ctx, l.Requests)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", p.Name, err)
	}
	return bench.Metrics{
		MetricWork:   float64(l.Requests) / spent.Seconds(),
		MetricEach:   float64(spent.Microseconds()) / float64(l.Requests),
		MetricP99:    bench.Percentile(out.waiting, 99),
		MetricShare:  most,
		MetricLogged: logged,
	}, out.took, nil
}

// Measure runs one round of one side.
func (r *run) Measure(ctx context.Context, side bench.Side, _ int) (bench.Metrics, error) {
	if side == bench.Ours {
		return r.measure(ctx, r, r.ours)
	}
	all := bench.Metrics{}
	for _, p := range r.beside {
		m, err := r.measure(ctx, r, p.proxy)
		if err != nil {
			return nil, err
		}
		for metric, v := range m {
			all[p.prefix+metric] = v
		}
	}
	return all, nil
}
