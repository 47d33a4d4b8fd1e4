package relaying

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
)

const (
	rounds = 9
	warmup = 500 * time.Millisecond
	length = 2 * time.Second
)

// The metrics: what is done in a second of a proxy's processor time, by the kind
// of clients. Of the peers' the better one counts; each is there under its name,
// too.
const (
	MetricConn, MetricRR, MetricBytes = string(conns), string(asks), string(bulk)
	HAProxy, Nginx                    = "HAProxy ", "nginx "
)

// Rig measures the relay and its peers in turn.
func Rig() *bench.Rig {
	return &bench.Rig{Name: "relay", Lab: true, Rounds: rounds, Open: func(ctx context.Context, env *bench.Env) (bench.Instrument, error) {
		r := &run{}
		if err := r.open(ctx, env); err != nil {
			return nil, errors.Join(err, r.Close())
		}
		return r, nil
	}}
}

// run is an open rig.
type run struct {
	relay, haproxy, nginx *proxy
	bench.Ends
}

func (r *run) open(ctx context.Context, env *bench.Env) error {
	dir, err := os.MkdirTemp(env.Dir, "relaying-")
	if err != nil {
		return err
	}
	for addr, b := range map[string]backend{echoBackend: echo, sourceBackend: source} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return fmt.Errorf("backend: %w", err)
		}
		r.Ends = append(r.Ends, l.Close)
		go serve(l, b)
	}
	for _, s := range []struct {
		to    **proxy
		begin func(dir string) (*proxy, error)
	}{{&r.relay, startRelay}, {&r.haproxy, startHAProxy}, {&r.nginx, startNginx}} {
		p, err := s.begin(dir)
		if p != nil {
			r.Ends = append(r.Ends, p.Stop)
		}
		if err != nil {
			return err
		}
		*s.to = p
		for _, k := range []kind{conns, bulk} {
			if err := p.await(ctx, k); err != nil {
				return err
			}
		}
	}
	return nil
}

// await waits until a proxy answers.
func (p *proxy) await(ctx context.Context, k kind) error {
	err := bench.Await(ctx, 10*time.Second, 50*time.Millisecond, func() error {
		l := load{kind: k, addr: p.at(k)}
		limited, stop := context.WithTimeout(ctx, 300*time.Millisecond)
		defer stop()
		if err := l.client(limited); l.done.Load() == 0 {
			return fmt.Errorf("nothing is answered: %w", err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s at %s: %w: %s", p.Name, p.at(k), err, p.Tail())
	}
	return nil
}

// Measure runs one round of one side.
func (r *run) Measure(ctx context.Context, side bench.Side, _ int) (bench.Metrics, error) {
	if side == bench.Ours {
		return r.all(ctx, r.relay, "")
	}
	m, err := r.all(ctx, r.haproxy, HAProxy)
	if err != nil {
		return nil, err
	}
	other, err := r.all(ctx, r.nginx, Nginx)
	if err != nil {
		return nil, err
	}
	for _, k := range []string{MetricConn, MetricRR, MetricBytes} {
		m[Nginx+k] = other[Nginx+k]
		m[k] = max(m[HAProxy+k], m[Nginx+k])
	}
	return m, nil
}

// all measures every kind of clients; the metrics' names begin so.
func (r *run) all(ctx context.Context, p *proxy, begin string) (bench.Metrics, error) {
	m := bench.Metrics{}
	for _, k := range []kind{conns, asks, bulk} {
		l := load{kind: k, addr: p.at(k)}
		perCPU, err := l.measure(ctx, warmup, length, p.CPU)
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %s", p.Name, err, p.Tail())
		}
		m[begin+string(k)] = perCPU
	}
	return m, nil
}
