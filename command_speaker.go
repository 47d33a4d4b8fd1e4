package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/daemon"
	"github.com/steelyard-lb/steelyard/config/host"
	"github.com/steelyard-lb/steelyard/config/kube"
	"github.com/steelyard-lb/steelyard/l4proxy/health"
	"github.com/steelyard-lb/steelyard/l4proxy/healthport"
	"github.com/steelyard-lb/steelyard/l4proxy/nft"
	"github.com/steelyard-lb/steelyard/l4proxy/relay"
	"github.com/steelyard-lb/steelyard/speaker"
	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/bfd"
	"github.com/steelyard-lb/steelyard/speaker/bgp"
	"github.com/steelyard-lb/steelyard/speaker/discovery"
	"github.com/steelyard-lb/steelyard/speaker/fib"
	"github.com/steelyard-lb/steelyard/speaker/keyfile"
	"github.com/steelyard-lb/steelyard/speaker/keys"
	"github.com/steelyard-lb/steelyard/speaker/layer2"
	"github.com/steelyard-lb/steelyard/speaker/member"
	"github.com/steelyard-lb/steelyard/speaker/pulse"
)

type speakerFlags struct {
	common
	node, forwarder, daemonSet string
	classes, externalIPs       []string
	podCIDRs                   []string
	gossipAddr, gossipKeyFile  string
	gossipPort, pulsePort      uint16
	exclude                    []string
	ignoreExcludeLabel         bool
	bfdSocket, pulseSocket     string
	relaySocket                string
}

func speakerCommand() *cobra.Command {
	var o speakerFlags
	cmd := &cobra.Command{
		Use:   "speaker",
		Short: "Announce and forward external addresses on this node",
		Long: `Runs on each node, on its network. It forwards traffic of external addresses
and NodePorts to pods (nftables), answers ARP and NDP for the addresses this
node owns on the LAN, and offers routes to BGP peers.

It needs the capabilities NET_ADMIN, NET_RAW and NET_BIND_SERVICE; with SYS_NICE
it answers at once on a busy node, too.

Told to stop, it asks the API whether its DaemonSet stays. If so it restarts:
the kernel goes on forwarding and nobody takes over for 30 seconds. If not it
leaves: routes are withdrawn, addresses handed over, the tables removed.`,
		Args: noArgs,
	}
	f := cmd.Flags()
	f.StringVar(&o.node, "node-name", "", "name of this node in Kubernetes (required)")
	f.StringSliceVar(&o.classes, "class", nil, classUsage)
	f.StringVar(&o.forwarder, "forwarder", "nft", "who forwards: nft, or off to leave it to kube-proxy or the CNI")
	f.StringSliceVar(&o.externalIPs, "external-ips-allowed", nil, externalIPsUsage)
	f.StringSliceVar(&o.podCIDRs, "pod-cidrs", nil, "CIDRs of pods, of all nodes or of this one, where the CNI gives other addresses than spec.podCIDRs of the Node says, with commas between; none: as the Node says")
	f.StringVar(&o.daemonSet, "daemonset", "steelyard-speaker", "DaemonSet this speaker belongs to")
	f.StringVar(&o.gossipAddr, "gossip-address", "", "address of this node for gossip between speakers (required)")
	f.Uint16Var(&o.gossipPort, "gossip-port", member.DefaultPort, "port for gossip, TCP and UDP, the same on all nodes")
	f.Uint16Var(&o.pulsePort, "pulse-port", 0, "port for heartbeats between speakers, UDP, the same on all nodes (0: the one after --gossip-port)")
	f.StringVar(&o.gossipKeyFile, "gossip-key-file", "", "file with the keys of gossip, one per line: the first encrypts, all are accepted; read again when it changes (required)")
	f.StringArrayVar(&o.exclude, "exclude-interface", announce.DefaultExcludedLinks, "interfaces not to announce on, as a regular expression; repeat for more")
	f.StringVar(&o.bfdSocket, "bfd-socket", "", "socket of a \"steelyard bfd --listen\" that watches the routers; empty: this process does")
	f.StringVar(&o.pulseSocket, "heartbeat-socket", "", "socket of a \"steelyard bfd --listen-heartbeats\" that exchanges heartbeats with the other nodes; empty: this process does")
	f.StringVar(&o.relaySocket, "relay-socket", "", "socket of a \"steelyard relay\" on this node; empty: Services with the PROXY protocol are not served")
	f.BoolVar(&o.ignoreExcludeLabel, "ignore-exclude-label", false, "announce from nodes labelled "+config.ExcludeLabel+" too")
	o.register(cmd, "127.0.0.1:17480", "127.0.0.1:9150")
	daemon.DescribeEnv(f)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		member.SpareProcs() // before any work, so that gossip finds a free thread
		daemon.SpareMemory()
		logger, err := o.logger(cmd)
		if err != nil {
			return err
		}
		p, err := o.start(logger, "speaker", "decision", "forwarder", "sessions")
		if err != nil {
			return err
		}
		agent, err := o.agent(p)
		if err != nil {
			return err
		}
		return serveUntilDrained(cmd.Context(), agent.Run, p.serveHealth, p.serveMetrics, daemon.GiveMemoryBack)
	}
	return cmd
}

// agent makes the agent and all its parts.
func (o *speakerFlags) agent(p *process) (*speaker.Agent, error) {
	ring, addr, err := o.gossip()
	if err != nil {
		return nil, err
	}
	excluded, err := announce.ParseLinkPatterns(o.exclude)
	if err != nil {
		return nil, usageError{fmt.Errorf("--exclude-interface: %w", err)}
	}
	externalIPs, err := config.ParsePrefixes(o.externalIPs)
	if err != nil {
		return nil, usageError{fmt.Errorf("--external-ips-allowed: %w", err)}
	}
	podCIDRs, err := config.ParsePrefixes(o.podCIDRs)
	if err != nil {
		return nil, usageError{fmt.Errorf("--pod-cidrs: %w", err)}
	}
	members, err := member.New(member.Config{
		Node: o.node, BindAddr: addr, BindPort: o.gossipPort, Keys: ring,
	}, p.with("member"), p.reg)
	if err != nil {
		return nil, fmt.Errorf("gossip: %w", err)
	}
	if o.pulsePort == 0 {
		o.pulsePort = o.gossipPort + 1
	}
	beats, err := o.heartbeats(p, pulse.Config{Node: o.node, Addr: addr, Port: o.pulsePort, Keys: ring})
	if err != nil {
		return nil, fmt.Errorf("heartbeats: %w", err)
	}
	keyFile := keyfile.Watch(o.gossipKeyFile, o.node, ring, p.with("keys"), p.reg, members, beats)
	routers, err := bgp.New(p.with("bgp"), p.reg, bgp.Options{
		Recall: func(ctx context.Context) ([]config.SessionReport, error) { return p.client.ReadSessions(ctx, o.node) },
	})
	if err != nil {
		return nil, fmt.Errorf("bgp: %w", err)
	}
	inbound, err := fib.New(p.with("fib"))
	if err != nil {
		return nil, fmt.Errorf("routes of routers: %w", err)
	}
	watching := o.detector(p.reg)
	routersOnLinks := discovery.New(p.with("discovery"))
	lan := layer2.New(p.with("layer2"), p.reg, layer2.Options{Detection: pulse.DefaultTuning.Detection()})
	links := host.Watch(p.with("host"))
	source := kube.Watch(p.client, kube.WatchOptions{
		Parts: kube.SpeakerParts, Namespace: o.namespace, Classes: o.classes, Logger: p.with("watch"),
	})
	events := kube.NewEvents(p.client, "steelyard-speaker", o.node, p.with("events"))
	parts := speaker.Parts{
		Node: o.node, Namespace: o.namespace, Classes: o.classes, ExternalIPs: externalIPs, PodCIDRs: podCIDRs, Version: version, GossipAddr: addr, GossipPort: o.gossipPort,
		PulsePort: o.pulsePort, Metrics: p.reg,
		ExcludedLinks: excluded, IgnoreExcludeLabel: o.ignoreExcludeLabel,
		Snapshots: source.Snapshots(), Hosts: links.States(), Members: members, Pulse: beats, LAN: lan, Routers: routers, Detector: watching, Discovery: routersOnLinks, Inbound: inbound, Way: host.Way,
		Claims: p.client, Records: p.client, Reports: p.client, Events: events, Health: p.health,
		Ask:   kube.Standing{Client: p.client, Namespace: o.namespace, DaemonSet: o.daemonSet, Node: o.node},
		Tasks: []func(context.Context) error{source.Run, links.Run, members.Run, beats.Run, keyFile.Run, lan.Run, watching.Run, routersOnLinks.Run, routers.Run, inbound.Run, events.Run},
	}
	faults := []func() []config.Problem{keyFile.Problems, members.Problems}
	if client, ok := beats.(*pulse.Client); ok {
		faults = append(faults, func() []config.Problem { return client.Problems(o.node) })
	}
	switch o.forwarder {
	case "nft":
		forwarder, err := nft.New(p.with("nft"), p.reg, nft.Options{})
		if err != nil {
			return nil, fmt.Errorf("forwarder: %w", err)
		}
		answers, checker := healthport.New(p.with("healthport"), healthport.Options{Node: o.node, Events: events}), health.New(p.reg)
		parts.Forwarder, parts.HealthPorts, parts.Checker = forwarder, answers, checker
		parts.Tasks = append(parts.Tasks, forwarder.Run, answers.Run, checker.Run)
		faults = append(faults, o.hostFaults(forwarder, p.with("nft")), answers.Problems)
		if o.relaySocket != "" {
			relays := relay.NewClient(o.relaySocket, p.reg)
			parts.Relay, parts.Tasks = relays, append(parts.Tasks, relays.Run)
			faults = append(faults, func() []config.Problem { return relays.Problems(o.node) })
		}
	case "off": // without a forwarder the agent announces only
	default:
		return nil, usageError{fmt.Errorf("--forwarder %q: use nft or off", o.forwarder)}
	}
	parts.Faults = func() (all []config.Problem) {
		for _, find := range faults {
			all = append(all, find()...)
		}
		return all
	}
	return speaker.New(p.with("agent"), parts), nil
}

// detector finds that routers are gone, and runs.
type detector interface {
	speaker.Detector
	Run(ctx context.Context) error
}

// detector is that of a process of its own, if there is one: its sessions outlive
// this process, and its haste.
func (o *speakerFlags) detector(reg prometheus.Registerer) detector {
	if o.bfdSocket != "" {
		return bfd.NewClient(o.bfdSocket, reg)
	}
	return bfd.New(reg)
}

// heartbeats find a death, with keys that may change, and run.
type heartbeats interface {
	speaker.Heartbeats
	keyfile.User
	Run(ctx context.Context) error
}

// heartbeats are those of a process of its own, if there is one: where others keep
// the processors busy, the haste of this process holds nothing up in that.
func (o *speakerFlags) heartbeats(p *process, cfg pulse.Config) (heartbeats, error) {
	if o.pulseSocket != "" {
		return pulse.NewClient(o.pulseSocket, cfg, p.with("pulse"), p.reg)
	}
	return pulse.New(cfg, p.with("pulse"), p.reg)
}

// hostFaults finds what of this host keeps packets from being forwarded.
func (o *speakerFlags) hostFaults(forwarder *nft.Forwarder, logger log.Logger) func() []config.Problem {
	return func() []config.Problem {
		faults, err := forwarder.CheckFirewall(o.node)
		if err != nil {
			level.Debug(logger).Log("msg", "foreign firewall not looked at", "err", err)
		}
		faults = append(faults, forwarder.Lacks(o.node)...)
		return append(faults, nft.Check(o.node, os.DirFS("/proc/sys"))...)
	}
}

func (o *speakerFlags) gossip() (ring keys.Ring, addr netip.Addr, err error) {
	if o.node == "" {
		return nil, addr, usageError{errors.New("--node-name is required")}
	}
	if addr, err = netip.ParseAddr(o.gossipAddr); err != nil {
		return nil, addr, usageError{fmt.Errorf("--gossip-address: %w", err)}
	}
	if ring, err = keyfile.Read(o.gossipKeyFile); err != nil {
		return nil, addr, usageError{fmt.Errorf("--gossip-key-file: %w", err)}
	}
	return ring, addr, nil
}
