package main

import (
	"github.com/spf13/cobra"
	"github.com/steelyard-lb/steelyard/e2etest/lab/router/gobgp"
)

// routerCommand is how a lab starts its GoBGP router; it is not for people.
func routerCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "router CONFIG",
		Short:  "Be a BGP router in this network namespace",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE:   func(cmd *cobra.Command, args []string) error { return gobgp.Run(cmd.Context(), args[0]) },
	}
}
