// GoBGP's listeners and TCP MD5 keys do not work on MPTCP sockets.
//
//go:debug multipathtcp=0

// Steelyard is the load balancer for bare-metal Kubernetes: one binary whose
// subcommands are the processes of an installation.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := rootCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "steelyard:", err)
		os.Exit(exitCode(err))
	}
}
