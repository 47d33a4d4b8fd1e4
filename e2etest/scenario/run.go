package scenario

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
	"github.com/steelyard-lb/steelyard/e2etest/probe"
	"github.com/steelyard-lb/steelyard/e2etest/probe/lan"
)

// Result is how one scenario went.
type Result struct {
	Name   string
	Failed bool
	Took   time.Duration
	Log    string // what the script did, in full when it failed
	Kept   string // directory with logs of a failed scenario
}

// Run plays one file in the world.
func Run(ctx context.Context, w *World, file string, verbose bool) Result {
	start := time.Now()
	t := &recorder{verbose: verbose}
	r := newRun(ctx, w, name(file), t)
	t.Run(r.name, func(t testscript.T) {
		testscript.RunT(t, testscript.Params{Files: []string{file}, Setup: r.setup, Cmds: r.commands(), RequireUniqueNames: true})
	})
	return Result{Name: r.name, Failed: t.failed.Load(), Took: time.Since(start), Log: t.text(), Kept: r.kept}
}

// name of a scenario is its file's, without the ending.
func name(file string) string {
	base := filepath.Base(file)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// run is the state of one scenario while it plays.
type run struct {
	ctx  context.Context
	w    *World
	name string
	ns   string // its Kubernetes namespace
	t    *recorder

	dir     string                        // where the script's files are
	vars    map[string]string             // of the script, for files it applies
	loops   map[string]*probe.Loop        // running request loops
	held    map[string]*probe.Held        // open connections in use
	asks    map[string]*asking            // running askers, by host
	steady  map[string]*steadying         // being noted, by router
	rivals  map[string]*lan.Rival         // by node
	outside map[string]*proc.Proc         // the application, by host
	certs   map[string]*probe.Certificate // by Secret
	applied []string                      // expanded manifests, to be deleted at the end
	undo    []func() error                // faults to take back, last first
	fastAPI func() error                  // ends a slow API server, nil before there was one
	kept    string                        // where the logs went, after a failure
}

// numbers gives each scenario of a process its own address ranges; the first
// ones are left to the objects that all scenarios share.
var numbers atomic.Int32

const firstNumber = 20

func newRun(ctx context.Context, w *World, name string, t *recorder) *run {
	number := firstNumber + int(numbers.Add(1)-1)%200
	r := &run{ctx: ctx, w: w, name: name, t: t, loops: make(map[string]*probe.Loop), held: make(map[string]*probe.Held),
		asks: make(map[string]*asking), steady: make(map[string]*steadying), rivals: make(map[string]*lan.Rival), outside: make(map[string]*proc.Proc),
		certs: make(map[string]*probe.Certificate)}
	r.ns = fmt.Sprintf("%s-%d", strings.ReplaceAll(name, "_", "-"), number)
	r.vars = variables(r.ns, number, w.Chart)
	r.vars["LAB"] = w.Lab.Dir
	for _, spec := range w.Lab.Topo.Of(lab.Node) {
		addrs := spec.Addrs(lab.LAN)
		key := strings.ToUpper(spec.Name)
		r.vars[key+"V4"], r.vars[key+"V6"] = addrs[0].String(), addrs[1].String()
	}
	return r
}

// variables are what a script and its files may use. The nets are beginnings of
// addresses: $NET4.7 and $NET6:7 are addresses on the LAN, $BNET4.7 and $BNET6:7
// are not on any link and reachable through routers only.
func variables(ns string, number int, chart string) map[string]string {
	return map[string]string{
		"NS": ns, "SYSTEM": System, "CHART": chart, "RELEASE": Release,
		"NET4": fmt.Sprintf("172.30.%d", number), "NET6": fmt.Sprintf("fd00:30::%d", number),
		"BNET4": fmt.Sprintf("10.80.%d", number), "BNET6": fmt.Sprintf("fd00:80:%d:", number),
	}
}

// setup prepares the script's environment and its namespace.
func (r *run) setup(env *testscript.Env) error {
	r.dir = env.WorkDir
	for key, value := range r.vars {
		env.Setenv(key, value)
	}
	env.Defer(r.finish)
	if _, err := r.w.Cluster.Kubectl("create", "namespace", r.ns); err != nil {
		return fmt.Errorf("namespace of the scenario: %w", err)
	}
	return nil
}

// finish takes back what the scenario did to the world, after it has saved the
// logs if it failed.
func (r *run) finish() {
	for _, loop := range r.loops {
		loop.Stop()
	}
	for _, held := range r.held {
		held.End()
	}
	for _, a := range r.asks {
		if err := a.Stop(); err != nil {
			r.t.Log("clean up:", err)
		}
	}
	endSteady(r.steady)
	for _, rival := range r.rivals {
		if err := rival.Stop(); err != nil {
			r.t.Log("clean up:", err)
		}
	}
	for _, app := range r.outside {
		if err := app.Stop(outsideGrace); err != nil {
			r.t.Log("clean up:", err)
		}
	}
	if r.t.failed.Load() {
		r.keepLogs()
	}
	for i := len(r.undo) - 1; i >= 0; i-- {
		if err := r.undo[i](); err != nil {
			r.t.Log("clean up:", err)
		}
	}
	for i := len(r.applied) - 1; i >= 0; i-- {
		if _, err := r.w.Cluster.Kubectl("delete", "--ignore-not-found", "--wait=false", "-f", r.applied[i]); err != nil {
			r.t.Log("clean up:", err)
		}
	}
	if _, err := r.w.Cluster.Kubectl("delete", "namespace", "--wait=false", r.ns); err != nil {
		r.t.Log("clean up:", err)
	}
}

// expand replaces the scenario's variables in a text and leaves every other
// dollar sign alone.
func (r *run) expand(text string) string {
	return os.Expand(text, func(key string) string {
		if value, ok := r.vars[key]; ok {
			return value
		}
		return "$" + key
	})
}

// recorder is the testscript.T that notes what happened. A scenario cannot be
// skipped: what cannot run has failed.
type recorder struct {
	verbose bool
	failed  atomic.Bool
	mu      sync.Mutex
	log     bytes.Buffer
}

func (t *recorder) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.log.String()
}

func (t *recorder) Log(args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintln(&t.log, args...)
}

func (t *recorder) Fatal(args ...any) {
	t.Log(args...)
	t.FailNow()
}

func (t *recorder) Skip(args ...any) {
	t.Fatal(append([]any{"a scenario may not be skipped:"}, args...)...)
}
func (t *recorder) Parallel()     {}
func (t *recorder) Verbose() bool { return t.verbose }

func (t *recorder) FailNow() {
	t.failed.Store(true)
	runtime.Goexit()
}

// Run plays f on a goroutine of its own, so that FailNow may end it.
func (t *recorder) Run(_ string, f func(testscript.T)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(t)
	}()
	<-done
}
