package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-kit/log/level"
	"github.com/spf13/cobra"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/daemon"
	"github.com/steelyard-lb/steelyard/config/kube"
	"github.com/steelyard-lb/steelyard/controller"
	"github.com/steelyard-lb/steelyard/controller/acme"
)

// controllerGap is the least time between two plans. A change costs the
// controller some ten microseconds, and a Service that is created waits for
// the gap that the echo of the write before began.
const controllerGap = time.Millisecond

// listRetry is the pause between two tries to read what is true.
const listRetry = 250 * time.Millisecond

type controllerFlags struct {
	common
	acme                                          acmeFlags
	leaseName, podName, forwarder, ingressService string
	classes, externalIPs                          []string
	ingress                                       ingressFlags
}

func controllerCommand() *cobra.Command {
	var o controllerFlags
	cmd := &cobra.Command{
		Use:   "controller",
		Short: "Give addresses to Services and write all status",
		Long: `Gives addresses out of IPAddressPools to Services of type LoadBalancer, says on
each Service that waits why it does, and publishes the ingress address.

Run two: one leads by a Lease and the other takes over, at once when the leader
is told to stop, within three seconds when it dies.

With --acme the leader also orders certificates for Ingresses that ask for it.`,
		Args: noArgs,
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.classes, "class", nil, classUsage)
	f.StringVar(&o.leaseName, "lease-name", "steelyard-controller", "Lease that elects the leader")
	f.StringVar(&o.podName, "pod-name", "", "name of this process in the Lease; empty: the host's name")
	f.StringVar(&o.forwarder, "forwarder", "nft", "what the speakers run with: nft, or off")
	f.StringVar(&o.ingressService, "ingress-service", "", "namespace/name of the Service whose addresses Ingresses show; empty: none")
	f.StringSliceVar(&o.externalIPs, "external-ips-allowed", nil, externalIPsUsage)
	o.acme.register(cmd)
	o.ingress.register(cmd)
	o.register(cmd, ":17480", ":9150")
	daemon.DescribeEnv(f)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		daemon.SpareMemory()
		logger, err := o.logger(cmd)
		if err != nil {
			return err
		}
		opts, err := o.options()
		if err != nil {
			return err
		}
		p, err := o.start(logger, "controller", "snapshot")
		if err != nil {
			return err
		}
		return o.run(cmd.Context(), p, opts)
	}
	return cmd
}

func (o *controllerFlags) options() (controller.Options, error) {
	opts := controller.Options{Namespace: o.namespace, Classes: o.classes, ACME: o.acme.on, ExternalNames: o.ingress.externalNames}
	var err error
	if opts.Owners, err = o.ingress.owners(); err != nil {
		return opts, err
	}
	if opts.IngressService, err = keyFlag("ingress-service", o.ingressService); err != nil {
		return opts, err
	}
	if opts.ExternalIPs, err = config.ParsePrefixes(o.externalIPs); err != nil {
		return opts, usageError{fmt.Errorf("--external-ips-allowed: %w", err)}
	}
	switch o.forwarder {
	case "nft":
		opts.Forwarder = true
	case "off":
		opts.ExternalIPs = nil // nobody forwards them
	default:
		return opts, usageError{fmt.Errorf("--forwarder %q: use nft or off", o.forwarder)}
	}
	if o.podName == "" {
		if o.podName, err = os.Hostname(); err != nil || o.podName == "" {
			return opts, usageError{errors.Join(errors.New("--pod-name is required where the host has no name"), err)}
		}
	}
	return opts, nil
}

// run follows the cluster all the time and acts on it while it leads.
func (o *controllerFlags) run(ctx context.Context, p *process, opts controller.Options) error {
	parts := kube.ControllerParts
	if o.ingressService == "" { // no Ingress is ours: no right to read Secrets is needed
		parts &^= kube.Ingresses | kube.Certificates | kube.Reports
	}
	if !o.acme.on {
		parts &^= kube.Orders
	}
	source := kube.Watch(p.client, kube.WatchOptions{
		Parts: parts, Namespace: o.namespace, Classes: o.classes, Logger: p.with("watch"),
		MinGap: controllerGap, IngressController: o.ingress.controller,
	})
	events := kube.NewEvents(p.client, "steelyard-controller", o.podName, p.with("events"))
	api := struct {
		*kube.Client
		*kube.Events
	}{p.client, events}
	leader := controller.New(opts, api, p.with("controller"), p.reg)
	issuer, err := o.issuer(p, api)
	if err != nil {
		return err
	}
	follow := &follower{in: source.Snapshots(), health: p.health}
	lease := kube.LeaseOptions{Namespace: o.namespace, Name: o.leaseName, Identity: o.podName, Logger: p.with("lease")}
	lead := func(ctx context.Context) error {
		var fresh uint64
		prepare := func(ctx context.Context) (err error) {
			fresh, err = readTruth(ctx, p, source)
			return err
		}
		return p.client.Lead(ctx, lease, prepare, func(ctx context.Context) error {
			defer follow.Resign()
			if issuer == nil {
				return leader.Run(ctx, follow.Lead(fresh))
			}
			return run(ctx,
				func(ctx context.Context) error { return leader.Run(ctx, follow.Lead(fresh)) },
				func(ctx context.Context) error { return issuer.Run(ctx, follow.Lead(fresh)) })
		})
	}
	return serveUntilDrained(ctx, lead, p.serveHealth, p.serveMetrics, source.Run, events.Run, follow.Run, daemon.GiveMemoryBack)
}

// issuer is who orders certificates; nil if nobody does.
func (o *controllerFlags) issuer(p *process, api acme.Store) (*acme.Issuer, error) {
	if !o.acme.on {
		return nil, nil
	}
	opts, err := o.acme.options(o.namespace)
	if err != nil {
		return nil, err
	}
	return acme.New(opts, api, p.with("acme"), p.reg)
}

// readTruth reads what is true, trying until ctx ends.
func readTruth(ctx context.Context, p *process, source *kube.Source) (uint64, error) {
	for {
		fresh, err := source.Refresh(ctx)
		if err == nil || ctx.Err() != nil {
			return fresh, err
		}
		level.Warn(p.log).Log("msg", "leading put off: the truth could not be read", "err", err)
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(listRetry):
		}
	}
}
