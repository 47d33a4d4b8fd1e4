package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
)

// keepLogs saves what helps to understand this scenario's failure.
func (r *run) keepLogs() {
	dir, err := r.w.KeepLogs(r.name, r.ns)
	if err != nil {
		r.t.Log("keep logs:", err)
		return
	}
	r.kept = dir
	r.t.Log("logs of all processes kept in " + dir)
}

// KeepLogs saves the log of every process, what the API says, and nft rules,
// routes and neighbors of the nodes and the control plane in a directory of that
// name below the world's report directory, and returns its path. namespace is the
// Kubernetes namespace of interest.
func (w *World) KeepLogs(name, namespace string) (string, error) {
	dir := filepath.Join(w.Report, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	copyLogs(w.Lab.Dir, dir)
	save := func(file, text string, err error) {
		if err != nil {
			text += "\n" + err.Error()
		}
		os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644)
	}
	for file, args := range map[string][]string{
		"objects.txt":   {"get", "nodes,pods,services,endpointslices,ingresses,leases,daemonsets,deployments", "-A", "-o", "wide"},
		"events.txt":    {"get", "events", "-A", "--sort-by=.lastTimestamp"},
		"product.yaml":  {"get", "ipaddresspools,l2advertisements,bgppeers,bfdprofiles,bgpadvertisements,communities,l2claims,speakerstatuses", "-A", "-o", "yaml"},
		"services.yaml": {"get", "services,ingresses", "-n", namespace, "-o", "yaml"},
	} {
		out, err := w.Cluster.Kubectl(append(args, "--request-timeout=5s")...)
		save(file, out, err)
	}
	for _, spec := range slices.Concat(w.Lab.Topo.Of(lab.Node), w.Lab.Topo.Of(lab.Plane)) {
		host, err := w.Lab.Host(spec.Name)
		if err != nil {
			save(spec.Name+"-nft.txt", "", err)
			continue
		}
		for file, args := range map[string][]string{
			"nft": {"nft", "list", "ruleset"}, "routes": {"ip", "route"}, "routes6": {"ip", "-6", "route"}, "neighbors": {"ip", "neigh"},
		} {
			out, err := proc.Output(host.Netns, nil, args...)
			save(spec.Name+"-"+file+".txt", out, err)
		}
	}
	return dir, nil
}

// copyLogs copies every *.log below a work directory, with its path as its name.
func copyLogs(from, to string) {
	filepath.WalkDir(from, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".log") {
			return nil // what cannot be read cannot be kept
		}
		rel, _ := filepath.Rel(from, path) // path is below it
		data, err := os.ReadFile(path)
		if err == nil {
			os.WriteFile(filepath.Join(to, strings.ReplaceAll(rel, string(filepath.Separator), "_")), data, 0o644)
		}
		return nil
	})
}

// KeepFailed saves the logs below a work directory under a name, and adds to err
// where they are.
func KeepFailed(name, dir string, err error) error {
	kept := filepath.Join(reportDir(), name)
	if e := os.MkdirAll(kept, 0o755); e != nil {
		return err
	}
	copyLogs(dir, kept)
	return fmt.Errorf("%w\nlogs kept in %s", err, kept)
}
