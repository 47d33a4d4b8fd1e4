package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"path/filepath"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/steelyard-lb/steelyard/config/daemon"
	"github.com/steelyard-lb/steelyard/config/kube"
)

// process is what the long-running commands share once their flags are read.
type process struct {
	common *common
	log    log.Logger
	client *kube.Client
	reg    *prometheus.Registry
	health *daemon.Health
}

// start connects to the API. parts are what readiness waits for.
func (c *common) start(logger log.Logger, name string, parts ...string) (*process, error) {
	client, err := kube.Connect(kube.ConnectOptions{
		Kubeconfig: c.kubeconfig, Host: c.apiHost, Port: c.apiPort,
		UserAgent: "steelyard-" + name + "/" + version, Logger: log.With(logger, "shell", "kube"),
	})
	if err != nil {
		return nil, fmt.Errorf("connect to the Kubernetes API: %w", err)
	}
	return &process{
		common: c, log: logger, client: client,
		reg: daemon.NewRegistry(version), health: daemon.NewHealth(parts...),
	}, nil
}

// with is the logger of one part of the process.
func (p *process) with(part string) log.Logger { return log.With(p.log, "shell", part) }

// serveHealth answers /healthz and /readyz.
func (p *process) serveHealth(ctx context.Context) error {
	mux := http.NewServeMux()
	p.health.Register(mux)
	return daemon.Serve(ctx, p.common.healthAddr, mux, nil)
}

// serveMetrics answers /metrics, by HTTPS and by permission if told to.
func (p *process) serveMetrics(ctx context.Context) error {
	if !p.common.metricsTLS {
		return daemon.Serve(ctx, p.common.metricsAddr, daemon.MetricsHandler(p.reg, nil), nil)
	}
	conf, err := metricsTLS(p.common.metricsCertDir)
	if err != nil {
		return err
	}
	return daemon.Serve(ctx, p.common.metricsAddr, daemon.MetricsHandler(p.reg, p.client.MayReadMetrics), conf)
}

func metricsTLS(dir string) (*tls.Config, error) {
	if dir == "" {
		cert, err := daemon.SelfSigned("steelyard-metrics")
		if err != nil {
			return nil, fmt.Errorf("make a certificate for metrics: %w", err)
		}
		return &tls.Config{Certificates: []tls.Certificate{cert}}, nil
	}
	// Read at each handshake, so that a renewed certificate needs no restart.
	load := func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
		return &cert, err
	}
	if _, err := load(nil); err != nil {
		return nil, usageError{fmt.Errorf("--metrics-cert-dir: %w", err)}
	}
	return &tls.Config{GetCertificate: load}, nil
}

// run runs the tasks until ctx ends or one fails; then all are told to stop.
func run(ctx context.Context, tasks ...func(context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, t := range tasks {
		group.Go(func() error { return t(ctx) })
	}
	return group.Wait()
}
