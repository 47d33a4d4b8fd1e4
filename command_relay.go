package main

import (
	"context"
	"errors"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/spf13/cobra"

	"github.com/steelyard-lb/steelyard/config/daemon"
	"github.com/steelyard-lb/steelyard/config/lines"
	"github.com/steelyard-lb/steelyard/l4proxy/relay"
)

type relayFlags struct {
	logLevel, logFormat string
	listen              string
	port                uint16
	connections         int
	connect, idle       time.Duration
	drain               time.Duration
}

func relayCommand() *cobra.Command {
	var o relayFlags
	cmd := &cobra.Command{
		Use:   "relay --listen SOCKET",
		Short: "Forward connections in user space, for backends that speak the PROXY protocol",
		Long: `Runs on each node beside the speaker, on the node's network. The kernel leads TCP
connections of Services with the annotation steelyard.io/proxy-protocol to it; it
connects to their backends and tells them the client's address.

It is the speaker that says, over a Unix socket, what there is to relay. What it
said stays in effect when the speaker goes.

Told to stop, it takes no new connections, and waits for those there are to end.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c := common{logLevel: o.logLevel, logFormat: o.logFormat}
			logger, err := c.logger(cmd)
			if err != nil {
				return err
			}
			return o.run(cmd.Context(), log.With(logger, "shell", "relay"))
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.logLevel, "log-level", "info", "least level that is logged: debug, info, warn, error, none")
	f.StringVar(&o.logFormat, "log-format", "logfmt", "format of the log: logfmt or json")
	f.StringVar(&o.listen, "listen", "", "path of a Unix socket at which the speaker says what is relayed (required)")
	f.Uint16Var(&o.port, "listen-port", relay.DefaultPort, "TCP port that the kernel leads connections to, on all addresses of this node")
	f.IntVar(&o.connections, "max-connections", 0, "most connections at once, others wait to be accepted (0: as many as the limit of open files allows)")
	f.DurationVar(&o.connect, "connect-timeout", 3*time.Second, "time for a backend to accept a connection before another one is tried")
	f.DurationVar(&o.idle, "idle-timeout", time.Hour, "time after which a connection is reset on which nothing is said")
	f.DurationVar(&o.drain, "drain", 10*time.Second, "time for connections to end when this process is told to")
	daemon.DescribeEnv(f)
	return cmd
}

// run relays until ctx ends and the connections have.
func (o *relayFlags) run(ctx context.Context, logger log.Logger) error {
	switch {
	case o.listen == "":
		return usageError{errors.New("--listen is missing: the path of a Unix socket")}
	case o.port == 0 || o.connections < 0 || o.connect <= 0 || o.idle <= 0 || o.drain <= 0:
		return usageError{errors.New("--listen-port, --connect-timeout, --idle-timeout and --drain must be greater than 0, and --max-connections not below")}
	}
	engine, err := relay.New(relay.Options{Port: o.port, Connections: o.connections, Connect: o.connect, Idle: o.idle, Drain: o.drain})
	if err != nil {
		return err
	}
	socket, err := lines.Listen(o.listen)
	if err != nil {
		return err
	}
	server := relay.NewServer(engine)
	err = serveUntilDrained(ctx, engine.Run, func(ctx context.Context) error { return server.Run(ctx, socket) })
	level.Info(logger).Log("msg", "ended", "err", err)
	return err
}
