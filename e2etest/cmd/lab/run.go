package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/steelyard-lb/steelyard/e2etest/demo"
	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/lab/sandbox"
	"github.com/steelyard-lb/steelyard/e2etest/scenario"
)

func demoCommand() *cobra.Command {
	var exit bool
	var router string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Walk the path from an external address to a pod, with real figures",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if router != "" && router != string(lab.FRR) && router != string(lab.GoBGP) {
				return fmt.Errorf("--router %s: want frr or gobgp", router)
			}
			box := sandbox.Enter(sandbox.Options{Forward: true})
			root, err := scenario.Root()
			if err != nil {
				return err
			}
			d := &demo.Demo{Box: box, Root: root, Router: lab.Kind(router), Out: os.Stdout, Colour: isTerminal(os.Stdout)}
			if err := d.Walk(cmd.Context()); err != nil {
				fmt.Fprintln(os.Stderr, "lab demo:", err)
				return errFailed
			}
			if !exit {
				d.Stay(cmd.Context())
			}
			d.End()
			return nil
		},
	}
	cmd.Flags().BoolVar(&exit, "exit", false, "end after the walk; the exit status tells whether every step was as it must be")
	cmd.Flags().StringVar(&router, "router", "", "frr or gobgp (default: frr where it is installed)")
	return cmd
}

func upCommand() *cobra.Command {
	var bare bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the lab with Kubernetes and the product, and stay until Ctrl-C",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			box := sandbox.Enter(sandbox.Options{Forward: true})
			w, err := startWorld(cmd.Context(), box, bare)
			if err != nil {
				return err
			}
			config := filepath.Join(box.Dir, "kubeconfig")
			listener, err := w.Cluster.Forward(box, config)
			if err != nil {
				return err
			}
			defer listener.Close()
			demo.Hints(os.Stdout, config)
			<-cmd.Context().Done()
			w.Cluster.Stop()
			return nil
		},
	}
	cmd.Flags().BoolVar(&bare, "bare", false, "Kubernetes alone, without the product")
	return cmd
}

func runCommand() *cobra.Command {
	var parallel int
	var verbose bool
	cmd := &cobra.Command{
		Use:   "run FILE...",
		Short: "Play scenario files (*.txtar) and tell how each went",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			box := sandbox.Enter(sandbox.Options{})
			w, err := startWorld(cmd.Context(), box, false)
			if err != nil {
				return err
			}
			if err := w.ApplyFile("base.yaml"); err != nil {
				return err
			}
			results, err := play(cmd.Context(), w, files, parallel, verbose)
			if err != nil {
				return err
			}
			failed := scenario.Summary(os.Stdout, results)
			w.Cluster.Stop()
			if failed > 0 {
				return errFailed
			}
			return nil
		},
	}
	cmd.Flags().IntVarP(&parallel, "parallel", "p", 2, "how many gentle scenarios run at a time")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show every command of every scenario")
	return cmd
}

// play runs the gentle scenarios beside each other, then the others one by one.
func play(ctx context.Context, w *scenario.World, files []string, parallel int, verbose bool) ([]scenario.Result, error) {
	var results []scenario.Result
	var mu sync.Mutex
	one := func(file string) {
		if ctx.Err() != nil {
			return // called off
		}
		result := scenario.Run(ctx, w, file, verbose)
		mu.Lock()
		defer mu.Unlock()
		results = append(results, result)
		scenario.Report(os.Stdout, result, verbose)
	}
	slots := make(chan struct{}, max(1, parallel))
	var running sync.WaitGroup
	var alone []string
	for _, file := range files {
		exclusive, err := scenario.IsExclusive(file)
		if err != nil {
			return nil, err
		}
		if exclusive {
			alone = append(alone, file)
			continue
		}
		slots <- struct{}{}
		running.Go(func() { one(file); <-slots })
	}
	running.Wait()
	for _, file := range alone {
		one(file)
	}
	return results, nil
}

func startWorld(ctx context.Context, box sandbox.Sandbox, bare bool) (*scenario.World, error) {
	root, err := scenario.Root()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	return scenario.Start(ctx, scenario.Options{Dir: box.Dir, Root: root, Bare: bare, Progress: func(what string) {
		fmt.Printf("%6.1fs  %s\n", time.Since(start).Seconds(), what)
	}})
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == ""
}
