// Command lab runs Steelyard's network lab: demo, scenarios, and the ways into a
// lab that is running.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// errFailed ends the program with status 1 and no further word: what failed has
// been told already.
var errFailed = errors.New("failed")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	root := &cobra.Command{
		Use:           "lab",
		Short:         "A Kubernetes on a network of namespaces, with real routers, for tests and demos",
		Long:          "lab builds hosts, LANs and routers out of network namespaces, runs a real Kubernetes on them,\nand removes everything when it ends, however it ends. It needs root.",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(demoCommand(), runCommand(), upCommand(), enterCommand(), kubectlCommand(), routerCommand())
	if err := root.ExecuteContext(ctx); err != nil {
		if !errors.Is(err, errFailed) {
			fmt.Fprintln(os.Stderr, "lab:", err)
		}
		os.Exit(1)
	}
}
