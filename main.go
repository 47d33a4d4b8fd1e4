// Go's listeners are MPTCP sockets unless told otherwise, on which TCP MD5 keys do not work.
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

	"github.com/steelyard-lb/steelyard/config/daemon"
)

// version is set by the linker.
var version = "dev"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "speaker" {
		// Here and not in the command, since it starts the program over.
		if err := daemon.GatherTimers(); err != nil {
			fmt.Fprintln(os.Stderr, "steelyard: more wake-ups than need be:", err)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := rootCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "steelyard:", err)
		os.Exit(exitCode(err))
	}
}
