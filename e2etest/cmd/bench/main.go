// Command bench measures figures of the product, prints a line for each, and
// ends with status 1 if one of them is not what it must be.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/bench/area"
	"github.com/steelyard-lb/steelyard/e2etest/bench/load"
	"github.com/steelyard-lb/steelyard/e2etest/bench/stall"
	"github.com/steelyard-lb/steelyard/e2etest/lab/sandbox"
	"github.com/steelyard-lb/steelyard/e2etest/scenario"
)

func main() {
	list := flag.Bool("list", false, "show the names and bars of all figures and end")
	needsLab := flag.Bool("lab", false, "tell by the exit status whether the lab is needed, and end")
	needsProxies := flag.Bool("proxies", false, "tell by the exit status whether the engine alone and other people's proxies are needed, and end")
	rounds := flag.Int("rounds", 0, "run no rig for more rounds than these, for a quick look; 0 for as many as it takes")
	watchdog := flag.Duration("watchdog", 0, "say whenever this machine stood still for longer than this, and do nothing else")
	answer := flag.Bool("answer", false, "answer the traffic of another bench, and do nothing else")
	ask := flag.String("ask", "", "make traffic, as this JSON says, print what was achieved, and do nothing else")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: bench [-list] [-rounds N] [AREA | AREA/NAME]...")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *watchdog > 0 {
		fmt.Fprintln(os.Stderr, "bench:", stall.Watch(*watchdog, os.Stdout))
		os.Exit(1)
	}
	if *answer {
		fmt.Fprintln(os.Stderr, "bench:", load.Serve())
		os.Exit(1)
	}
	if *ask != "" {
		if err := makeTraffic(*ask); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if *list {
		for _, f := range area.All() {
			fmt.Printf("%-24s %-12s %v\n", f.Name, f.Unit, f.Bar)
		}
		return
	}
	pattern := strings.Join(flag.Args(), " ")
	if *needsLab || *needsProxies {
		figures, err := bench.Choose(area.All(), pattern)
		if err == nil && (*needsLab && some(figures, inLab) || *needsProxies && some(figures, besideProxies)) {
			return
		}
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	good, err := run(ctx, pattern, *rounds)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	if err != nil || !good {
		os.Exit(1)
	}
}

// makeTraffic does as it is told.
func makeTraffic(order string) error {
	var spec load.Spec
	if err := json.Unmarshal([]byte(order), &spec); err != nil {
		return fmt.Errorf("-ask: %w", err)
	}
	result, err := load.Run(spec)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

// run measures what the pattern names, in at most so many rounds if that is not
// 0, and tells whether all is as it must be.
func run(ctx context.Context, pattern string, rounds int) (good bool, err error) {
	all := area.All()
	figures, err := bench.Choose(all, pattern)
	if err != nil {
		return false, err
	}
	if some(figures, inLab) || some(figures, besideProxies) {
		sandbox.Enter(sandbox.Options{}) // from here on inside of it
	}
	root, err := scenario.Root()
	if err != nil {
		return false, err
	}
	dir, err := os.MkdirTemp("", "steelyard-bench-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // FRR's daemons, which have a user of their own, go in
		return false, err
	}
	env := &bench.Env{Root: root, Dir: dir, Log: os.Stderr, Rounds: rounds}
	start := time.Now()
	var results []bench.Result
	good = true
	bench.Run(ctx, env, figures, func(r bench.Result) {
		fmt.Println(r.Line())
		if r.Err != nil {
			fmt.Fprintln(os.Stderr, "bench:", r.Err)
		}
		good = good && r.Good()
		results = append(results, r)
	})
	return good, bench.Record(filepath.Join(root, "docs", "bench"), start, about(root), all, results)
}

// inLab and besideProxies tell what a rig needs.
func inLab(r *bench.Rig) bool         { return r.Lab }
func besideProxies(r *bench.Rig) bool { return r.Proxies }

// some tells whether the rig of a figure needs that.
func some(figures []bench.Figure, needs func(*bench.Rig) bool) bool {
	return slices.ContainsFunc(figures, func(f bench.Figure) bool { return needs(f.Rig) })
}

// about says what was measured where, as far as it is of use to a reader.
func about(root string) string {
	commit := "an unknown commit"
	git := exec.Command("git", "describe", "--always", "--dirty")
	git.Dir = root
	if out, err := git.Output(); err == nil {
		commit = strings.TrimSpace(string(out))
	}
	return fmt.Sprintf("%s, %s, %d CPUs (%s)", commit, runtime.Version(), runtime.NumCPU(), cpuModel())
}

// cpuModel is the name of the processor, as the kernel gives it.
func cpuModel() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
