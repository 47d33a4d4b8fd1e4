package ingress

import (
	"context"
	"fmt"
	"os"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/ingress/accesslog"
	"github.com/steelyard-lb/steelyard/ingress/cert"
	"github.com/steelyard-lb/steelyard/ingress/engine"
	"github.com/steelyard-lb/steelyard/ingress/proxy"
	"github.com/steelyard-lb/steelyard/ingress/route"
)

// Engine is what serves requests.
type Engine string

// The engines answer alike.
const (
	NetHTTP    Engine = "nethttp"   // net/http of the Go library
	Loops      Engine = "loop"      // package ingress/engine, by event loops
	Goroutines Engine = "goroutine" // the same, by goroutines
)

// Engines are all there are, the default first.
var Engines = []Engine{Loops, Goroutines}

// front is an engine with its listeners.
type front interface {
	Addrs() (http, https []string)
	Apply(*route.Table, *cert.Store, *cert.Challenges)
	Run(context.Context) error
	Close() error
}

// newFront opens the listeners of the engine that is asked for.
func newFront(opts Options) (front, error) {
	http, https := addrs(opts.HTTPAddr), addrs(opts.HTTPSAddr)
	switch opts.Engine {
	case "", NetHTTP:
		p, err := proxy.New(proxy.Options{
			HTTP: http, HTTPS: https,
			Logger: log.With(opts.Logger, "shell", "proxy"), AccessLog: opts.AccessLog, Registerer: opts.Registerer,
			Drain: opts.Drain, Grace: opts.Grace,
		})
		return library{p}, err
	case Loops, Goroutines:
		level.Info(opts.Logger).Log("msg", "serving by our own engine", "engine", opts.Engine)
		var access engine.AccessLog
		if opts.AccessLog != nil {
			access = engine.AccessLog{Writer: os.Stdout, Format: accesslog.Logfmt}
		}
		e, err := engine.New(engine.Options{
			Driver: engine.Driver(opts.Engine),
			Listen: http, ListenTLS: https,
			Logger: log.With(opts.Logger, "shell", "engine"), AccessLog: access, Registerer: opts.Registerer,
			Drain: opts.Drain, Grace: opts.Grace,
		})
		return own{e, len(http)}, err
	}
	return nil, fmt.Errorf("engine %q: there are %v", opts.Engine, Engines)
}

// library is a front by net/http.
type library struct{ *proxy.Proxy }

func (l library) Apply(table *route.Table, certs *cert.Store, proofs *cert.Challenges) {
	l.Proxy.ApplyChallenges(proofs)
	l.Proxy.Apply(table, certs)
}

// own is a front by our own engine.
type own struct {
	*engine.Engine
	plain int // listeners without TLS
}

func (o own) Addrs() (http, https []string) {
	all := o.Engine.Addrs()
	return all[:o.plain], all[o.plain:]
}

func (o own) Apply(table *route.Table, certs *cert.Store, proofs *cert.Challenges) {
	o.Engine.Apply(configOf(table, certs, proofs))
}
