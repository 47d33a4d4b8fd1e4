package selftest

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// follow starts kubectl, and returns its output and a function that waits for
// its end. The test ends it.
func follow(t *testing.T, args ...string) (lines *bufio.Scanner, ended func() error) {
	t.Helper()
	cmd := exec.Command(w.kcp, append([]string{"kubectl", "--kubeconfig", filepath.Join(w.cluster(), "admin.kubeconfig"),
		"-n", strings.ToLower(t.Name())}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = w.logFile("kubectl-" + args[0])
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	t.Cleanup(func() { cmd.Process.Signal(syscall.SIGKILL) }) // ended already is as good
	return bufio.NewScanner(out), func() error {
		go func() { done <- cmd.Wait() }()
		select {
		case err := <-done:
			return err
		case <-time.After(15 * time.Second):
			return fmt.Errorf("kubectl %s runs on", strings.Join(args, " "))
		}
	}
}

func TestPortForward(t *testing.T) {
	k := space(t)
	k("apply", `
apiVersion: v1
kind: Pod
metadata: {name: far}
spec:
  containers:
  - name: c
    image: lab/web:1
    env: [{name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
    readinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1}
`)
	k("wait", "--for=condition=Ready", "pod/far", "--timeout=20s")
	url := forwarded(t, "8080")
	answers := make(chan error, 8)
	for range cap(answers) { // beside each other, each on a stream of its own
		go func() { answers <- ask(url) }()
	}
	for range cap(answers) {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	// kubectl ends with the first connection that is refused.
	if err := ask(forwarded(t, "81")); err == nil {
		t.Error("a port on which nobody listens has answered")
	}
	if err := ask(url); err != nil {
		t.Errorf("beside a forwarding that was refused: %v", err)
	}
}

// forwarded lets kubectl forward to a port of the pod far.
func forwarded(t *testing.T, port string) (url string) {
	t.Helper()
	lines, _ := follow(t, "port-forward", "pod/far", ":"+port)
	for lines.Scan() {
		if m := regexp.MustCompile(`from (127.0.0.1:\d+) -> ` + port).FindStringSubmatch(lines.Text()); m != nil {
			return "http://" + m[1] + "/"
		}
	}
	t.Fatal("kubectl forwards nothing")
	return ""
}

// ask wants an answer of the pod far, that came over its loopback.
func ask(url string) error {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && !strings.HasPrefix(string(text), "far 127.0.0.1:") {
		err = fmt.Errorf("answer %q", text)
	}
	return err
}

// TestAttach sees what a container writes from now on, line by line, until the
// pod is gone.
func TestAttach(t *testing.T) {
	k := space(t)
	k("apply", `
apiVersion: v1
kind: Pod
metadata: {name: clock}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: lab/sh:1
    args: ["-c", "i=0; while true; do echo tick $i; i=$((i+1)); sleep 0.05; done"]
`)
	k("wait", "--for=condition=Ready", "pod/clock", "--timeout=20s")
	time.Sleep(500 * time.Millisecond)
	lines, ended := follow(t, "attach", "clock")
	var ticks []int
	for len(ticks) < 20 && lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "tick "); ok {
			n, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(err)
			}
			ticks = append(ticks, n)
		}
	}
	if len(ticks) < 20 || ticks[0] < 5 {
		t.Fatalf("saw %v, want twenty lines, the first ones of the container not among them", ticks)
	}
	for i, n := range ticks {
		if n != ticks[0]+i {
			t.Fatalf("lines are missing: %v", ticks)
		}
	}
	k("delete", "pod", "clock", "--wait=false")
	for lines.Scan() {
	}
	if err := ended(); err != nil {
		t.Errorf("attach, after the pod is gone: %v", err)
	}
}

// TestGRPCProbes lets the standard health service decide about start and
// readiness.
func TestGRPCProbes(t *testing.T) {
	k := space(t)
	k("apply", `
apiVersion: v1
kind: Pod
metadata: {name: rpc}
spec:
  containers:
  - name: c
    image: lab/web:1
    env: [{name: GRPC, value: "9090"}]
    volumeMounts: [{name: data, mountPath: /data}]
    startupProbe: {grpc: {port: 9090}, periodSeconds: 1}
    readinessProbe: {grpc: {port: 9090, service: ready}, periodSeconds: 1, failureThreshold: 1}
  volumes: [{name: data, emptyDir: {}}]
---
apiVersion: v1
kind: Pod
metadata: {name: unknown}
spec:
  containers:
  - name: c
    image: lab/web:1
    env: [{name: GRPC, value: "9090"}]
    readinessProbe: {grpc: {port: 9090, service: nosuch}, periodSeconds: 1}
`)
	k("wait", "--for=condition=Ready", "pod/rpc", "--timeout=20s")
	k("exec", "rpc", "--", "touch", "/data/unready")
	k("wait", "--for=condition=Ready=False", "pod/rpc", "--timeout=20s")
	until(t, k, `responded with "NOT_SERVING"`, "get", "events", "--field-selector=involvedObject.name=rpc,reason=Unhealthy", "-o", "jsonpath={.items[*].message}")
	k("exec", "rpc", "--", "rm", "/data/unready")
	k("wait", "--for=condition=Ready", "pod/rpc", "--timeout=20s")
	until(t, k, "unknown service", "get", "events", "--field-selector=involvedObject.name=unknown,reason=Unhealthy", "-o", "jsonpath={.items[*].message}")
	until(t, k, "true false", "get", "pod", "unknown", "-o", "jsonpath={.status.containerStatuses[0].started} {.status.containerStatuses[0].ready}")
}

// TestExecWithInput passes standard input and the exit status.
func TestExecWithInput(t *testing.T) {
	k := space(t)
	k("apply", `
apiVersion: v1
kind: Pod
metadata: {name: cat}
spec: {containers: [{name: c, image: "lab/sh:1", args: ["-c", "sleep 1000"]}]}
`)
	k("wait", "--for=condition=Ready", "pod/cat", "--timeout=20s")
	text := strings.Repeat("steelyard ", 20000)
	out, err := w.kubectlIn(text, "-n", strings.ToLower(t.Name()), "exec", "-i", "cat", "--", "cat")
	if err != nil || out != strings.TrimSpace(text) {
		t.Errorf("%v: %d bytes came back of %d", err, len(out), len(text))
	}
	_, err = w.kubectlIn("", "-n", strings.ToLower(t.Name()), "exec", "cat", "--", "sh", "-c", "exit 7")
	if err == nil || !strings.Contains(err.Error(), "7") {
		t.Errorf("exit status 7 became: %v", err)
	}
}
