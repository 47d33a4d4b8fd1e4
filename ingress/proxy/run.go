package proxy

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/ingress/cert"
)

// Run serves until ctx ends and the requests under way have, or until a
// listener fails. Leaving is: accept for the drain time, with each answer
// closing its connection; then accept no more and finish what was begun, for
// the grace time at most; then cut what is left.
func (p *Proxy) Run(ctx context.Context) error {
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	plain, secure := p.server(base), p.server(base)
	secure.TLSConfig = &tls.Config{GetCertificate: p.getCertificate, GetConfigForClient: p.handshake, MinVersion: tls.VersionTLS12}
	secure.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){cert.ChallengeProto: proven}
	secure.Protocols = &http.Protocols{} // else there is no HTTP/2 where TLSNextProto is set
	secure.Protocols.SetHTTP1(true)
	secure.Protocols.SetHTTP2(true)

	failed := make(chan error, len(p.listeners))
	var serving sync.WaitGroup
	for _, l := range p.listeners {
		serving.Go(func() {
			if err := serve(plain, secure, l); err != nil {
				failed <- err
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	p.leave(base, plain, secure)
	cut() // what did not end in time ends now; no goroutine outlives Run
	ended, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = untilZero(ended, &p.active)
	serving.Wait()
	return err
}

func serve(plain, secure *http.Server, l *listener) error {
	var err error
	if l.secure {
		err = secure.ServeTLS(l, "", "")
	} else {
		err = plain.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("listener %v: %w", l.Addr(), err)
}

func (p *Proxy) server(base context.Context) *http.Server {
	return &http.Server{
		Handler:           p,
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: p.opts.ReadHeader,
		IdleTimeout:       p.opts.Idle,
		MaxHeaderBytes:    maxRequestHeader,
		ErrorLog:          stdLogger(p.opts.Logger),
	}
}

// leave ends the service in order.
func (p *Proxy) leave(base context.Context, servers ...*http.Server) {
	level.Info(p.opts.Logger).Log("msg", "draining", "for", p.opts.Drain)
	p.draining.Store(true)
	time.Sleep(p.opts.Drain)

	grace, cancel := context.WithTimeout(base, p.opts.Grace)
	defer cancel()
	errs := make([]error, len(servers))
	var closing sync.WaitGroup
	for i, s := range servers {
		closing.Go(func() { errs[i] = s.Shutdown(grace) })
	}
	closing.Wait()
	if err := cmp.Or(errors.Join(errs...), untilZero(grace, &p.upgraded)); err != nil {
		level.Info(p.opts.Logger).Log("msg", "cutting requests that did not end in time", "upgraded", p.upgraded.Load(), "err", err)
	}
	for _, s := range servers {
		_ = s.Close()
	}
}

// untilZero waits for a count to fall to zero. http.Server's Shutdown does not
// know of upgraded connections.
func untilZero(ctx context.Context, count *atomic.Int64) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for count.Load() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// stdLogger passes what net/http has to say, mostly about clients that went
// away or spoke no HTTP, to the debug log.
func stdLogger(logger log.Logger) *stdlog.Logger {
	return stdlog.New(log.NewStdlibAdapter(level.Debug(logger)), "", 0)
}
