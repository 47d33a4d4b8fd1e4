package scenario

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/e2etest/probe"
)

// apply FILE...: create or change the objects of the files, variables expanded.
// A file that the scenario does not have is taken from scenarios/common.
func apply(r *run, args []string) error {
	if len(args) == 0 {
		return usage("apply FILE...")
	}
	for _, file := range args {
		path, err := r.manifest(file)
		if err != nil {
			return err
		}
		// Noted before it is applied: half of it may exist when it fails.
		if !slices.Contains(r.applied, path) {
			r.applied = append(r.applied, path)
		}
		if _, err := r.kubectl("apply", "-f", path); err != nil {
			return err
		}
	}
	return nil
}

// delete FILE...: delete the objects of the files and wait until they are gone.
func deleteFile(r *run, args []string) error {
	if len(args) == 0 {
		return usage("delete FILE...")
	}
	for _, file := range args {
		path, err := r.manifest(file)
		if err != nil {
			return err
		}
		if _, err := r.kubectl("delete", "--timeout=30s", "-f", path); err != nil {
			return err
		}
	}
	return nil
}

// manifest writes the expanded form of a file and returns its path.
func (r *run) manifest(file string) (string, error) {
	data, err := os.ReadFile(filepath.Join(r.dir, file))
	if errors.Is(err, os.ErrNotExist) {
		data, err = os.ReadFile(filepath.Join(r.w.Files, file))
	}
	if err != nil {
		return "", usage(err.Error())
	}
	dir := filepath.Join(r.dir, ".expanded")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, filepath.Base(file))
	return path, os.WriteFile(path, []byte(r.expand(string(data))), 0o644)
}

// deploy NAME REPLICAS [FLAG...]: a Deployment of the test application, labelled
// app=NAME, whose pods serve HTTP on 8080 and echo TCP and UDP on 9000. It
// returns when all replicas are ready.
func deploy(r *run, args []string) error {
	if len(args) < 2 {
		return usage("deploy NAME REPLICAS [FLAG...]")
	}
	quoted := make([]string, len(args)-2)
	for i, flag := range args[2:] {
		quoted[i] = fmt.Sprintf("%q", flag)
	}
	path := filepath.Join(r.dir, "deploy-"+args[0]+".yaml")
	text := fmt.Sprintf(deployment, args[0], args[1], strings.Join(quoted, ", "))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return err
	}
	if _, err := r.kubectl("apply", "-f", path); err != nil {
		return err
	}
	_, err := r.kubectl("rollout", "status", "deployment/"+args[0], "--timeout=60s")
	return err
}

// deployment takes name, replicas and arguments.
const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  replicas: %[2]s
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      terminationGracePeriodSeconds: 5
      tolerations:  # a pod of a dead node is replaced soon
      - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 2}
      - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 2}
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: %[1]s}}}
      containers:
      - name: hello
        image: steelyard.io/hello:lab
        args: [%[3]s]
        ports: [{name: http, containerPort: 8080}, {name: tcp, containerPort: 9000}, {name: udp, containerPort: 9000, protocol: UDP}]
        env:
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
        readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 1}
`

// kubectl ARG...: run kubectl in the scenario's namespace.
func kubectl(r *run, args []string) error {
	_, err := r.kubectl(args...)
	return err
}

func (r *run) kubectl(args ...string) (string, error) {
	return r.w.Cluster.KubectlIn(r.ns, args...)
}

// helm ARG...: run Helm.
func helm(r *run, args []string) error {
	_, err := r.w.Cluster.Helm(args...)
	return err
}

// install [FLAG...]: install or upgrade the product by its chart, with further
// flags for helm, and wait until it is ready. The end of the scenario takes the
// flags back.
func install(r *run, args []string) error {
	if len(args) > 0 {
		r.undo = append(r.undo, func() error { return r.w.Install() })
	}
	return r.w.Install(args...)
}

// uninstall: remove the product. The end of the scenario puts it back.
func uninstall(r *run, args []string) error {
	if len(args) != 0 {
		return usage("uninstall")
	}
	r.undo = append(r.undo, func() error {
		if err := r.w.Install(); err != nil {
			return err
		}
		return r.w.ApplyFile("base.yaml")
	})
	return r.w.Uninstall()
}

// rollout KIND/NAME [NAMESPACE]: replace all pods of a workload, as a change of
// its template does, and wait until it is done.
func rollout(r *run, args []string) error {
	if len(args) == 0 || len(args) > 2 {
		return usage("rollout KIND/NAME [NAMESPACE]")
	}
	ns := append(args, r.ns)[1]
	if len(args) == 2 {
		ns = args[1]
	}
	if _, err := r.w.Cluster.Kubectl("-n", ns, "rollout", "restart", args[0]); err != nil {
		return err
	}
	_, err := r.w.Cluster.Kubectl("-n", ns, "rollout", "status", args[0], "--timeout=120s")
	return err
}

// certificate SECRET HOST: make a certificate for a host name and put it into a
// Secret of the scenario's namespace; expect get trusts it by that name.
func certificate(r *run, args []string) error {
	if len(args) != 2 {
		return usage("certificate SECRET HOST")
	}
	cert, err := probe.NewCertificate(args[1])
	if err != nil {
		return err
	}
	r.certs[args[0]] = cert
	return r.w.Cluster.TLSSecret(r.ctx, r.ns, args[0], cert.Cert, cert.Key)
}
