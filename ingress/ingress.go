package ingress

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/cert"
	"github.com/steelyard-lb/steelyard/ingress/engine"
	"github.com/steelyard-lb/steelyard/ingress/route"
)

// Part is the name under which readiness is reported.
const Part = "routes"

// Health hears whether new clients should be sent here.
type Health interface {
	Ready(part string)
	NotReady(part, reason string)
}

// Options say what to serve, where and how.
type Options struct {
	Snapshots  <-chan *config.Snapshot // Ingresses, Services, Endpoints, Certificates
	Logger     log.Logger
	AccessLog  engine.AccessLog
	Registerer prometheus.Registerer
	Health     Health // may be nil

	Driver              engine.Driver // default [engine.Loops]
	HTTPAddr, HTTPSAddr string        // each one address or several, by commas; empty: not served

	DefaultCertificate config.Key             // Secret for unknown server names; zero: self-made
	DefaultBackend     *config.IngressBackend // for what no Ingress serves; nil: 404
	Owners             *route.Owners          // who may use which host; nil: anybody any
	External           *External              // ExternalName Services; nil: answered 503

	Drain time.Duration // at the end: keep accepting for so long
	Grace time.Duration // and then give requests under way so long; 0: 20s
}

// Server serves Ingresses. Make it with [New] and let [Server.Run] work.
type Server struct {
	opts     Options
	engine   *engine.Engine
	plain    int // listeners without TLS, which are the first
	metrics  *metrics
	selfMade *tls.Certificate
	routes   *route.Plan // as last applied
	external external
	certs    *cert.Store             // as last applied
	proofs   *cert.Challenges        // as last applied
	told     map[config.Problem]bool // as last logged
}

// recheck is how often certificates are looked at without a change in the
// cluster, for they expire without one.
const recheck = 10 * time.Minute

// New makes a Server and opens its listeners; an address that cannot be had
// is an error here. Clients wait until [Server.Run] has the first snapshot.
func New(opts Options) (*Server, error) {
	if opts.Logger == nil {
		opts.Logger = log.NewNopLogger()
	}
	if opts.Health == nil {
		opts.Health = deaf{}
	}
	selfMade, err := cert.SelfMade(time.Now())
	if err != nil {
		return nil, fmt.Errorf("ingress: %w", err)
	}
	http, https := addrs(opts.HTTPAddr), addrs(opts.HTTPSAddr)
	e, err := engine.New(engine.Options{
		Driver: opts.Driver, Listen: http, ListenTLS: https,
		Logger: log.With(opts.Logger, "shell", "engine"), AccessLog: opts.AccessLog, Registerer: opts.Registerer,
		Drain: opts.Drain, Grace: opts.Grace,
	})
	if err != nil {
		return nil, fmt.Errorf("ingress: %w", err)
	}
	return &Server{
		opts: opts, engine: e, plain: len(http), metrics: newMetrics(opts.Registerer), selfMade: selfMade,
		external: external{External: opts.External},
	}, nil
}

// Addrs are the addresses that are listened on.
func (s *Server) Addrs() (http, https []string) {
	all := s.engine.Addrs()
	return all[:s.plain], all[s.plain:]
}

// Run serves until ctx ends and the requests under way have. It reports ready
// once the first snapshot is applied, and not ready as soon as ctx ends;
// tables are swapped until the last request.
func (s *Server) Run(ctx context.Context) error {
	s.opts.Health.NotReady(Part, "waiting for the first snapshot")
	select {
	case <-ctx.Done():
		return s.engine.Close()
	case first := <-s.opts.Snapshots:
		if first == nil {
			_ = s.engine.Close()
			return fmt.Errorf("ingress: the watch ended before the first snapshot")
		}
		s.apply(first)
		return s.serve(ctx, first)
	}
}

// serve runs the engine and, beside it, the loop that feeds it.
func (s *Server) serve(ctx context.Context, first *config.Snapshot) error {
	feeding, stop := context.WithCancel(context.WithoutCancel(ctx))
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		s.feed(feeding, first)
	}()
	s.opts.Health.Ready(Part)
	notReady := context.AfterFunc(ctx, func() { s.opts.Health.NotReady(Part, "leaving") })
	err := s.engine.Run(ctx)
	notReady()
	stop()
	<-fed
	if err != nil {
		return fmt.Errorf("ingress: %w", err)
	}
	return nil
}

// feed applies snapshots as they come. If no more come, as when the API is
// away or the watch was stopped, the last one stays.
func (s *Server) feed(ctx context.Context, last *config.Snapshot) {
	tick := time.NewTicker(recheck)
	defer tick.Stop()
	snapshots := s.opts.Snapshots
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.apply(last)
		case s.external.answers = <-s.external.heard():
			s.apply(last)
		case next, ok := <-snapshots:
			if !ok {
				snapshots = nil // closed: never chosen again
				continue
			}
			last = next
			s.apply(last)
		}
	}
}

// apply makes the engine serve a snapshot.
func (s *Server) apply(snap *config.Snapshot) {
	s.prove(snap)
	s.external.watch(snap)
	s.routes = route.Update(s.routes, route.Input{
		Snapshot: snap, Default: s.opts.DefaultBackend, Owners: s.opts.Owners,
		Names: s.external.answers, Guard: s.external.guard,
	})
	s.external.ask(s.routes)
	certs, more := cert.Build(cert.Input{
		Ingresses: route.OldestFirst(snap.Ingresses),
		Secrets:   snap.Certificates,
		Default:   s.opts.DefaultCertificate,
		SelfMade:  s.selfMade,
		Previous:  s.certs,
		Now:       time.Now(),
	})
	s.engine.Apply(configOf(s.routes.Table, certs, s.proofs))
	s.metrics.applied(s.routes.Table)
	s.certs = certs
	s.log(append(s.routes.Problems(), more...))
}

// log tells each Problem once, when it appears.
func (s *Server) log(problems []config.Problem) {
	now := map[config.Problem]bool{}
	for _, p := range problems {
		if now[p] = true; !s.told[p] {
			level.Info(s.opts.Logger).Log("msg", "problem", "object", p.Object, "reason", p.Reason, "err", p.String())
		}
	}
	s.told = now
}

// addrs splits a list of addresses.
func addrs(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// deaf is a Health that nobody asked for.
type deaf struct{}

func (deaf) Ready(string)            {}
func (deaf) NotReady(string, string) {}
