package scenario

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/cluster"
	"github.com/steelyard-lb/steelyard/e2etest/lab"
)

// System is the Kubernetes namespace that the product is installed in.
const System = "steelyard-system"

// World is what all scenarios share: one lab, one cluster, the product.
type World struct {
	Lab     *lab.Lab
	Cluster *cluster.Cluster
	Chart   string // directory of the product's Helm chart
	Files   string // directory of manifests that scenarios may apply by name
	Report  string // directory for the logs of failed scenarios
}

// Release is the name of the product's Helm release.
const Release = "steelyard"

// values are what the lab sets beyond the chart's defaults.
var values = []string{
	"image.repository=steelyard.io/steelyard", "image.tag=lab", "log.level=debug",
}

// helmInstall is the command line that installs or upgrades the product.
func (w *World) helmInstall(more ...string) []string {
	args := []string{"upgrade", "--install", Release, w.Chart, "--namespace", System, "--create-namespace"}
	for _, v := range values {
		args = append(args, "--set", v)
	}
	return append(args, more...)
}

// Install puts the product into the cluster through its chart, and waits until
// it is ready.
func (w *World) Install(more ...string) error {
	if _, err := w.Cluster.Helm(w.helmInstall(more...)...); err != nil {
		pods, _ := w.Cluster.Kubectl("-n", System, "get", "pods", "-o", "wide") // a help, where it works
		return fmt.Errorf("install the product: %w\n%s", err, pods)
	}
	return w.ready()
}

// workloads of the product.
var workloads = []string{"deployment/steelyard-controller", "daemonset/steelyard-speaker", "deployment/steelyard-ingress"}

// ready waits for the product's pods. Helm's own --wait would wait for the
// address of the ingress's Service too, and there may be no pool yet.
func (w *World) ready() error {
	for _, workload := range workloads {
		if _, err := w.Cluster.Kubectl("-n", System, "rollout", "status", workload, "--timeout=90s"); err != nil {
			pods, _ := w.Cluster.Kubectl("-n", System, "get", "pods", "-o", "wide") // a help, where it works
			return fmt.Errorf("wait for the product: %w\n%s", err, pods)
		}
	}
	return nil
}

// Uninstall removes the product.
func (w *World) Uninstall() error {
	_, err := w.Cluster.Helm("uninstall", Release, "--namespace", System, "--wait", "--timeout", "60s")
	return err
}

// ApplyFile applies a manifest of w.Files as it is.
func (w *World) ApplyFile(name string) error {
	_, err := w.Cluster.Kubectl("apply", "-f", filepath.Join(w.Files, name))
	return err
}

// Options say what kind of world to start.
type Options struct {
	Dir      string       // work directory
	Root     string       // of the repository
	Topo     lab.Topology // zero for lab.Default(3)
	Bare     bool         // without the product
	Progress func(what string)
}

// Start builds the lab and the cluster, and installs the product by its chart.
// When that fails, the logs are kept and the error says where.
func Start(ctx context.Context, o Options) (*World, error) {
	w, err := start(ctx, o)
	switch {
	case err == nil:
		return w, nil
	case w == nil:
		return nil, KeepFailed("start", o.Dir, err)
	}
	if kept, e := w.KeepLogs("start", System); e == nil {
		err = fmt.Errorf("%w\nlogs kept in %s", err, kept)
	}
	return nil, err
}

// start returns the world with an error where only the product is missing.
func start(ctx context.Context, o Options) (*World, error) {
	bin, err := cluster.FindBin()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(bin, "steelyard")); err != nil && !o.Bare {
		return nil, fmt.Errorf("bin/steelyard is missing, build it with make: %w", err)
	}
	if o.Topo.Hosts == nil {
		o.Topo = lab.Default(3)
	}
	l, err := lab.Build(o.Dir, o.Topo)
	if err != nil {
		return nil, err
	}
	o.Progress(fmt.Sprintf("network up: %d hosts on %d LANs", len(o.Topo.Hosts), len(o.Topo.Bridges)))
	c, err := cluster.Start(ctx, l, cluster.Config{Bin: bin, KubeProxy: true})
	if err != nil {
		return nil, err
	}
	o.Progress(fmt.Sprintf("Kubernetes up: %d nodes Ready", len(l.Nodes())))
	w := &World{
		Lab: l, Cluster: c,
		Chart:  filepath.Join(o.Root, "charts", "steelyard"),
		Files:  filepath.Join(o.Root, "e2etest", "scenarios", "common"),
		Report: reportDir(),
	}
	if o.Bare {
		return w, nil
	}
	if err := w.Install(); err != nil {
		return w, err
	}
	o.Progress("Steelyard installed by its chart, all pods ready")
	return w, nil
}

// Root finds the repository: the nearest directory above that holds e2etest.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "e2etest", "scenarios")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("not inside the repository: no e2etest/scenarios here or above")
}

// reportDir names the directory for the logs of failed scenarios; it is made
// when the first one fails.
func reportDir() string {
	if dir := os.Getenv("STEELYARD_LOGS"); dir != "" {
		return dir
	}
	return filepath.Join("/tmp", "steelyard-failed-"+time.Now().Format("20060102-150405"))
}
