package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/spf13/cobra"

	"github.com/steelyard-lb/steelyard/config/daemon"
)

// Exit codes.
const (
	exitFailure  = 1
	exitUsage    = 2
	exitDisturbs = 3 // of plan: a Service would move or lose an address
)

// usageError marks a mistake on the command line or in the environment.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func exitCode(err error) int {
	if errors.As(err, &usageError{}) {
		return exitUsage
	}
	if errors.Is(err, errDisturbs) {
		return exitDisturbs
	}
	return exitFailure
}

// externalIPsUsage is the help of a flag that controller and speaker have.
const externalIPsUsage = "CIDRs inside which spec.externalIPs of Services are forwarded, with commas between; none: they are left alone"

// classUsage is the help of the flag --class, which controller and speaker have.
const classUsage = `loadBalancerClasses that are served, with commas between; an empty one ("")
stands for Services without a class, and so does giving none`

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "steelyard",
		Short: "The load balancer for bare-metal Kubernetes",
		Long: `Steelyard gives clusters on plain machines what a cloud gives to a Service of
type LoadBalancer and to an Ingress, from the external address to the pod:

  controller  gives addresses to Services and writes all status (leads by Lease)
  speaker     runs on each node: answers ARP and NDP, speaks BGP, forwards to pods
  bfd         watches routers, and finds them dead within a fraction of a second
  relay       forwards on each node for backends that speak the PROXY protocol
  ingress     serves virtual hosts, paths and TLS of Ingress objects

Every flag may also be set by an environment variable: --log-level is
STEELYARD_LOG_LEVEL. The command line wins.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(controllerCommand(), speakerCommand(), bfdCommand(), relayCommand(), ingressCommand(), planCommand(), rebalanceCommand(), convertCommand(), versionCommand())
	return root
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long:  "Print the version of this binary and exit.",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version)
			return err
		},
	}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}

// common are the flags that every long-running process has.
type common struct {
	logLevel, logFormat string
	kubeconfig, apiHost string
	apiPort             uint16
	namespace           string
	healthAddr          string
	metricsAddr         string
	metricsTLS          bool
	metricsCertDir      string
}

func (c *common) register(cmd *cobra.Command, healthAddr, metricsAddr string) {
	f := cmd.Flags()
	f.StringVar(&c.logLevel, "log-level", "info", "least level that is logged: debug, info, warn, error, none")
	f.StringVar(&c.logFormat, "log-format", "logfmt", "format of the log: logfmt or json")
	f.StringVar(&c.kubeconfig, "kubeconfig", "", "file to reach the Kubernetes API with; empty: from inside the cluster")
	f.StringVar(&c.apiHost, "kubernetes-api-host", "", "host of the Kubernetes API, where its ClusterIP cannot be used")
	f.Uint16Var(&c.apiPort, "kubernetes-api-port", 6443, "port that goes with --kubernetes-api-host")
	f.StringVar(&c.namespace, "namespace", "steelyard-system", "namespace of this installation")
	f.StringVar(&c.healthAddr, "health-address", healthAddr, "address that answers /healthz and /readyz; empty: none")
	f.StringVar(&c.metricsAddr, "metrics-address", metricsAddr, "address that answers /metrics; empty: none")
	f.BoolVar(&c.metricsTLS, "metrics-tls", false, "serve metrics by HTTPS, only to bearer tokens that may get /metrics (TokenReview)")
	f.StringVar(&c.metricsCertDir, "metrics-cert-dir", "", "directory with tls.crt and tls.key for --metrics-tls; empty: self-made")
}

// logger reads the environment into the flags and makes the logger.
func (c *common) logger(cmd *cobra.Command) (log.Logger, error) {
	if err := daemon.FlagsFromEnv(cmd.Flags()); err != nil {
		return nil, usageError{err}
	}
	logger, err := daemon.NewLogger(os.Stderr, c.logFormat, c.logLevel)
	if err != nil {
		return nil, usageError{err}
	}
	level.Info(logger).Log("msg", "starting", "process", cmd.Name(), "version", version)
	return logger, nil
}
