package selftest

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// processes asks a kubelet which containers run.
func processes(t *testing.T, node string) []struct {
	Namespace, Pod, Container, NetNS string
	PID                              int
} {
	t.Helper()
	conn, err := net.Dial("unix", filepath.Join(w.cluster(), "nodes", node, "kubelet.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintln(conn, "pids")
	text, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	var out []struct {
		Namespace, Pod, Container, NetNS string
		PID                              int
	}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return out
}

func TestKilledContainerComesBack(t *testing.T) {
	k := space(t)
	k("apply", `
apiVersion: v1
kind: Pod
metadata: {name: victim}
spec: {nodeName: n1, containers: [{name: c, image: "lab/web:1"}]}
`)
	k("wait", "--for=condition=Ready", "pod/victim", "--timeout=20s")
	for _, p := range processes(t, "n1") {
		if p.Pod == "victim" {
			if _, err := os.Stat(p.NetNS); err != nil {
				t.Error(err)
			}
			syscall.Kill(p.PID, syscall.SIGKILL)
		}
	}
	until(t, k, "1 137 9", "get", "pod", "victim", "-o",
		"jsonpath={.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].lastState.terminated.exitCode} {.status.containerStatuses[0].lastState.terminated.signal}")
	k("wait", "--for=condition=Ready", "pod/victim", "--timeout=20s")
}

func TestAPIServerAway(t *testing.T) {
	k := space(t)
	k("apply", webDeployment)
	k("rollout", "status", "deploy/web", "--timeout=30s")
	ctl := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(w.kcp, append([]string{"ctl", "--dir", w.cluster()}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("ctl %v: %v: %s", args, err, out)
		}
	}
	ctl("kill", "kube-apiserver")
	time.Sleep(3 * time.Second)
	mine := func() (pids []int) { // those of other tests may be on their way out
		for _, p := range slices.Concat(processes(t, "n1"), processes(t, "n2")) {
			if p.Namespace == "testapiserveraway" {
				pids = append(pids, p.PID)
			}
		}
		slices.Sort(pids)
		return pids
	}
	before := mine()
	ctl("start", "kube-apiserver")
	if err := eventually(30*time.Second, w.allReady); err != nil {
		t.Fatal(err)
	}
	if after := mine(); !slices.Equal(after, before) || len(after) != 4 {
		t.Errorf("containers %v before, %v after", before, after)
	}
	until(t, k, "4", "get", "deploy", "web", "-o", "jsonpath={.status.readyReplicas}")
}

// TestKubeletKilled is last but one: it takes a node away and brings it back.
func TestKubeletKilled(t *testing.T) {
	k := space(t)
	k("apply", `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: d}
spec:
  selector: {matchLabels: {app: d}}
  template:
    metadata: {labels: {app: d}}
    spec: {hostNetwork: true, containers: [{name: c, image: "lab/sh:1", args: ["-c", "sleep 12345 & sleep 12345"]}]}
`)
	// The status of a new DaemonSet may ask for no pods yet: count them.
	if err := eventually(30*time.Second, func() error {
		if n := count(t, "sleep 12345"); n != 4 {
			return fmt.Errorf("%d processes, want 2 on each node", n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	cmd := w.kubelets["n2"]
	cmd.Process.Kill()
	cmd.Wait()
	if err := eventually(3*time.Second, func() error {
		if n := count(t, "sleep 12345"); n != 2 {
			return fmt.Errorf("%d processes remain, want those of n1", n)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	began := time.Now()
	until(t, k, "Unknown", "get", "node", "n2", "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
	t.Logf("node lost after %d ms", time.Since(began).Milliseconds())
	if err := w.startKubelet("n2", 3); err != nil {
		t.Fatal(err)
	}
	if err := eventually(20*time.Second, w.allReady); err != nil {
		t.Fatal(err)
	}
	k("rollout", "status", "ds/d", "--timeout=20s")
	if err := eventually(10*time.Second, func() error {
		if n := count(t, "sleep 12345"); n != 4 {
			return fmt.Errorf("%d processes after the restart", n)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// count counts living processes whose command line holds a text.
func count(t *testing.T, text string) int {
	t.Helper()
	n := 0
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		if strings.HasPrefix(strings.ReplaceAll(string(line), "\x00", " "), text) {
			n++
		}
	}
	return n
}

// TestLauncherKilled runs a second control plane and kills it.
func TestLauncherKilled(t *testing.T) {
	dir := filepath.Join(w.dir, "k")
	up := exec.Command(w.kcp, "up", "--dir", dir, "--advertise", "172.31.0.1", "--port", "7443", "--ready-file", dir+"-ready")
	up.Stdout, up.Stderr = io.Discard, os.Stderr
	if err := up.Start(); err != nil {
		t.Fatal(err)
	}
	servers := func() int { return count(t, w.kcp+" etcd") + count(t, w.kcp+" kube-apiserver") }
	if err := eventually(20*time.Second, func() error {
		if n := servers(); n != 4 {
			return fmt.Errorf("%d servers run, want those of two clusters", n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	up.Process.Kill()
	up.Wait()
	if err := eventually(3*time.Second, func() error {
		if n := servers(); n != 2 {
			return fmt.Errorf("%d servers of kcp run, want the first cluster's two", n)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
