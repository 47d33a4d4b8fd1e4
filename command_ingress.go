package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/daemon"
	"github.com/steelyard-lb/steelyard/config/kube"
	"github.com/steelyard-lb/steelyard/ingress"
	"github.com/steelyard-lb/steelyard/ingress/engine"
	"github.com/steelyard-lb/steelyard/ingress/names"
)

func ingressCommand() *cobra.Command {
	var c common
	var o struct {
		http, https, certificate string
		drain                    time.Duration
		allowed, refused         []string
		engine                   string
	}
	var shared ingressFlags
	var access accessLogFlags
	cmd := &cobra.Command{
		Use:   "ingress",
		Short: "Serve virtual hosts, paths and TLS of Ingress objects",
		Long: `Serves the Ingresses whose class is run by the controller steelyard.io/ingress:
hosts and paths to Services, TLS from Secrets by server name. It only reads
from the API; the controller publishes its address and its findings.

Told to stop, it reports not ready, keeps accepting for --drain, then finishes
the requests under way.`,
		Args: noArgs,
	}
	f := cmd.Flags()
	f.StringVar(&o.http, "http-address", ":8080", "addresses that serve HTTP, by commas; empty: none")
	f.StringVar(&o.https, "https-address", ":8443", "addresses that serve HTTPS, by commas; empty: none")
	f.StringVar(&o.certificate, "default-certificate", "", "namespace/name of the TLS Secret for unknown hosts; empty: self-made")
	f.DurationVar(&o.drain, "drain", 10*time.Second, "how long to keep accepting after being told to stop")
	f.StringVar(&o.engine, "engine", string(engine.Loops), "how requests are served: by loop or by goroutine")
	f.StringSliceVar(&o.allowed, "external-names-allowed", nil, "CIDRs that names of ExternalName Services may stand for although they are in the cluster, loopback or the like")
	f.StringSliceVar(&o.refused, "external-names-refused", nil, "CIDRs that they may not stand for, besides what the cluster tells of itself; those of Pods where the CNI has an IPAM of its own")
	access.register(cmd)
	shared.register(cmd)
	c.register(cmd, ":17480", ":9150")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		logger, err := c.logger(cmd)
		if err != nil {
			return err
		}
		certificate, err := keyFlag("default-certificate", o.certificate)
		if err != nil {
			return err
		}
		owners, err := shared.owners()
		if err != nil {
			return err
		}
		driver, err := engine.ParseDriver(o.engine)
		if err != nil {
			return usageError{fmt.Errorf("--engine: %w", err)}
		}
		accessLog, file, err := access.open(c.logFormat)
		if err != nil {
			return err
		}
		p, err := c.start(logger, "ingress", ingress.Part)
		if err != nil {
			return err
		}
		source := kube.Watch(p.client, kube.WatchOptions{Parts: kube.IngressParts, Namespace: c.namespace, Logger: p.with("watch"),
			IngressController: shared.controller})
		opts := ingress.Options{
			Snapshots: source.Snapshots(), Logger: p.with("ingress"), Registerer: p.reg, Health: p.health, Driver: driver, AccessLog: accessLog,
			HTTPAddr: o.http, HTTPSAddr: o.https, DefaultCertificate: certificate, Drain: o.drain, Owners: owners,
		}
		helpers := []func(context.Context) error{p.serveHealth, p.serveMetrics, source.Run}
		if shared.externalNames {
			if opts.External, err = external(o.allowed, o.refused); err != nil {
				return err
			}
			resolver, err := names.New("/etc/resolv.conf", p.with("names"))
			if err != nil {
				return err
			}
			opts.External.Resolver = resolver
			helpers = append(helpers, resolver.Run)
		}
		if file != nil {
			told := rotations()
			helpers = append(helpers, func(ctx context.Context) error { return file.reopenWhenTold(ctx, told, p.with("access")) })
		}
		server, err := ingress.New(opts)
		if err != nil {
			return err
		}
		return serveUntilDrained(cmd.Context(), server.Run, helpers...)
	}
	daemon.DescribeEnv(f)
	return cmd
}

// external says what names of ExternalName Services may stand for.
func external(allowed, refused []string) (*ingress.External, error) {
	x := &ingress.External{}
	var err error
	if x.Allowed, err = config.ParsePrefixes(allowed); err != nil {
		return nil, usageError{fmt.Errorf("--external-names-allowed: %w", err)}
	}
	if x.Refused, err = config.ParsePrefixes(refused); err != nil {
		return nil, usageError{fmt.Errorf("--external-names-refused: %w", err)}
	}
	return x, nil
}

// serveUntilDrained runs main until ctx ends and main has drained. The helpers
// go on meanwhile: readiness must be answered and tables swapped to the end.
func serveUntilDrained(ctx context.Context, main func(context.Context) error, helpers ...func(context.Context) error) error {
	outer, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	tasks := []func(context.Context) error{func(failed context.Context) error {
		defer stop()
		inner, end := context.WithCancel(ctx)
		defer end()
		defer context.AfterFunc(failed, end)()
		return main(inner)
	}}
	return run(outer, append(tasks, helpers...)...)
}

// keyFlag reads namespace/name; empty is the zero Key.
func keyFlag(flag, value string) (config.Key, error) {
	if value == "" {
		return config.Key{}, nil
	}
	namespace, name, ok := strings.Cut(value, "/")
	if !ok || namespace == "" || name == "" || strings.Contains(name, "/") {
		return config.Key{}, usageError{fmt.Errorf("--%s %q: write namespace/name", flag, value)}
	}
	return config.Key{Namespace: namespace, Name: name}, nil
}
