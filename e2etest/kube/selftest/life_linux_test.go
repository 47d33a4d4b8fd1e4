package selftest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSidecarRestartsAlone(t *testing.T) {
	k := space(t)
	k("apply", `
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  terminationGracePeriodSeconds: 5
  initContainers:
  - {name: setup, image: "lab/sh:1", args: ["-c", "echo prepared > /data/setup"], volumeMounts: [{name: data, mountPath: /data}]}
  - name: side
    image: lab/web:1
    args: ["9090"]
    restartPolicy: Always
    startupProbe: {tcpSocket: {port: 9090}, periodSeconds: 1}
  containers:
  - {name: main, image: "lab/sh:1", args: ["-c", "curl -sf http://127.0.0.1:9090/ && cat /data/setup && exec sleep 1000"], volumeMounts: [{name: data, mountPath: /data}]}
  volumes: [{name: data, emptyDir: {}}]
`)
	k("wait", "--for=condition=Ready", "pod/p", "--timeout=20s")
	// curl succeeds at once or never: the container is not started again
	if err := eventually(10*time.Second, func() error {
		if text := k("logs", "p", "-c", "main"); !strings.Contains(text, "prepared") {
			return fmt.Errorf("the sidecar was not up before the main container: %q", text)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	k("exec", "p", "-c", "main", "--", "sh", "-c", "curl -s http://127.0.0.1:9090/exit; true")
	until(t, k, "1/true/0", "get", "pod", "p", "-o",
		"jsonpath={.status.initContainerStatuses[1].restartCount}/{.status.initContainerStatuses[1].started}/{.status.containerStatuses[0].restartCount}")
	last := k("get", "pod", "p", "-o", "jsonpath={.status.initContainerStatuses[1].lastState.terminated.exitCode}")
	if last != "4" {
		t.Fatalf("exit code %q, want 4", last)
	}
}

// A sidecar is there until the main container has ended. The finalizer keeps the
// object, so that its last status can be read.
func TestSidecarEndsLast(t *testing.T) {
	k := space(t)
	k("apply", `
apiVersion: v1
kind: Pod
metadata: {name: p, finalizers: [steelyard.io/test]}
spec:
  terminationGracePeriodSeconds: 20
  initContainers:
  - {name: side, image: "lab/web:1", args: ["9090"], restartPolicy: Always, startupProbe: {tcpSocket: {port: 9090}, periodSeconds: 1}}
  containers:
  - {name: main, image: "lab/sh:1", args: ["-c", "trap 'sleep 1; curl -sf http://127.0.0.1:9090/ > /dev/null && printf both > /dev/termination-log; exit' TERM; while :; do sleep 0.1; done"]}
`)
	t.Cleanup(func() { k("patch", "pod", "p", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`) })
	k("wait", "--for=condition=Ready", "pod/p", "--timeout=20s")
	k("delete", "pod", "p", "--wait=false")
	until(t, k, "both/Succeeded", "get", "pod", "p", "-o", "jsonpath={.status.containerStatuses[0].state.terminated.message}/{.status.phase}")
}

func TestCrashLoopAndFaults(t *testing.T) {
	k := space(t)
	k("apply", `
apiVersion: v1
kind: Pod
metadata: {name: crash}
spec: {containers: [{name: c, image: "lab/web:1", env: [{name: DIE, value: "1"}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: no-image}
spec: {containers: [{name: c, image: "example.com/none:1"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: no-secret}
spec: {containers: [{name: c, image: "lab/sh:1", args: ["-c", "echo $PASS; exec sleep 1000"], env: [{name: PASS, valueFrom: {secretKeyRef: {name: late, key: pass}}}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: no-program}
spec: {containers: [{name: c, image: "lab/sh:1", command: ["/no/such/program"]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: once}
spec: {restartPolicy: Never, containers: [{name: a, image: "lab/sh:1", args: ["-c", "exit 0"]}, {name: b, image: "lab/sh:1", args: ["-c", "echo why > /dev/termination-log; exit 5"]}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: job}
spec: {template: {spec: {restartPolicy: OnFailure, containers: [{name: c, image: "lab/sh:1", args: ["-c", "echo done"]}]}}}
`)
	waiting := "jsonpath={.status.containerStatuses[0].state.waiting.reason} {.status.containerStatuses[0].state.waiting.message}"
	until(t, k, "CrashLoopBackOff", "get", "pod", "crash", "-o", waiting)
	until(t, k, "3", "get", "pod", "crash", "-o", "jsonpath={.status.containerStatuses[0].restartCount}")
	if text := k("logs", "crash", "--previous"); !strings.Contains(text, "dying as told") {
		t.Fatalf("previous log: %q", text)
	}
	until(t, k, "ImagePullBackOff no such image in the lab's table", "get", "pod", "no-image", "-o", waiting)
	until(t, k, `CreateContainerConfigError secret "late" not found`, "get", "pod", "no-secret", "-o", waiting)
	k("create", "secret", "generic", "late", "--from-literal=pass=sesame")
	k("wait", "--for=condition=Ready", "pod/no-secret", "--timeout=20s")
	until(t, k, "sesame", "logs", "no-secret")
	until(t, k, "RunContainerError", "get", "pod", "no-program", "-o", waiting)
	until(t, k, "Failed 0 5 why", "get", "pod", "once", "-o",
		"jsonpath={.status.phase} {.status.containerStatuses[0].state.terminated.exitCode} {.status.containerStatuses[1].state.terminated.exitCode} {.status.containerStatuses[1].state.terminated.message}")
	k("wait", "--for=condition=Complete", "job/job", "--timeout=20s")
}

func TestVolumes(t *testing.T) {
	k := space(t)
	k("create", "secret", "generic", "s", "--from-literal=word=one")
	k("create", "configmap", "c", "--from-literal=a=1", "--from-literal=b=2")
	k("apply", `
apiVersion: v1
kind: Pod
metadata: {name: p, labels: {colour: green}}
spec:
  containers:
  - name: c
    image: lab/sh:1
    args: ["-c", "sleep 1000"]
    env: [{name: X, value: "$(FIRST)-b"}, {name: FIRST, value: a}, {name: SECOND, value: "$(FIRST)-b-$$(Z)"}]
    envFrom: [{configMapRef: {name: c}, prefix: C_}]
    volumeMounts:
    - {name: s, mountPath: /etc/secret, readOnly: true}
    - {name: c, mountPath: /srv/deep/config}
    - {name: c, mountPath: /srv/one-file, subPath: a}
    - {name: d, mountPath: /pod}
    - {name: mem, mountPath: /mem}
    - {name: host, mountPath: /host}
    - {name: sys, mountPath: /host-proc, readOnly: true}
    - {name: t, mountPath: /token}
  volumes:
  - {name: s, secret: {secretName: s, defaultMode: 256}}
  - {name: c, configMap: {name: c, items: [{key: a, path: a}, {key: b, path: sub/b}]}}
  - {name: d, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
  - {name: mem, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
  - {name: host, hostPath: {path: /var/lib/thing, type: DirectoryOrCreate}}
  - {name: sys, hostPath: {path: /proc}}
  - {name: t, projected: {sources: [{serviceAccountToken: {path: token, audience: vault, expirationSeconds: 600}}]}}
`)
	k("wait", "--for=condition=Ready", "pod/p", "--timeout=20s")
	for _, c := range []struct{ script, want string }{
		{"cat /etc/secret/word; stat -L -c %a /etc/secret/word", "one400"},
		{"cat /srv/deep/config/a /srv/deep/config/sub/b /srv/one-file", "121"},
		{"cat /pod/labels", `colour="green"`},
		{"stat -f -c %T /mem; echo hi > /mem/x", "tmpfs"},
		{"echo kept > /host/file; cut -d. -f1 /host-proc/loadavg >/dev/null && ls /host-proc/1/status", "/host-proc/1/status"},
		{"echo $X $SECOND $C_a$C_b", "$(FIRST)-b a-b-$(Z) 12"},
		{"cut -d. -f2 /token/token | tr '_-' '/+' | base64 -d 2>/dev/null", `"aud":["vault"]`},
		{"touch /etc/secret/new 2>&1; cat /etc/hostname; hostname", "Read-only file system\np\np"},
		{"cat /etc/resolv.conf", "nameserver 10.96.0.10\nsearch " + strings.ToLower(t.Name()) + ".svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5"},
	} {
		if got := k("exec", "p", "--", "sh", "-c", "exec 2>&1; "+c.script); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.script, got, c.want)
		}
	}
	if _, err := os.Stat("/var/lib/thing"); err == nil {
		t.Error("a hostPath of the node reached the machine")
	}
	node := k("get", "pod", "p", "-o", "jsonpath={.spec.nodeName}")
	if text, err := os.ReadFile(filepath.Join(w.cluster(), "nodes", node, "rootfs/var/lib/thing/file")); err != nil || string(text) != "kept\n" {
		t.Errorf("hostPath under the node's root: %q, %v", text, err)
	}
	began := time.Now()
	k("apply", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {word: two}\n")
	until(t, k, "two", "exec", "p", "--", "cat", "/etc/secret/word")
	t.Logf("changed Secret seen after %d ms", time.Since(began).Milliseconds())
}

func TestStopInOrder(t *testing.T) {
	k := space(t)
	k("apply", `
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  terminationGracePeriodSeconds: 20
  containers:
  - name: c
    image: lab/web:1
    lifecycle:
      postStart: {exec: {command: ["sh", "-c", "echo started > /shared/post"]}}
      preStop: {exec: {command: ["sh", "-c", "echo preStop ran > /proc/1/fd/1; sleep 1"]}}
    volumeMounts: [{name: v, mountPath: /shared}]
  volumes: [{name: v, hostPath: {path: /srv/stop}}]
---
apiVersion: v1
kind: Pod
metadata: {name: stubborn}
spec: {terminationGracePeriodSeconds: 2, containers: [{name: c, image: "lab/sh:1", args: ["-c", "trap '' TERM; while :; do sleep 1; done"]}]}
`)
	k("wait", "--for=condition=Ready", "pod/p", "pod/stubborn", "--timeout=20s")
	uid := k("get", "pod", "p", "-o", "jsonpath={.metadata.uid} {.spec.nodeName} {.metadata.namespace}")
	var id, node, ns string
	fmt.Sscan(uid, &id, &node, &ns)
	began := time.Now()
	k("delete", "pod", "p")
	if took := time.Since(began); took < time.Second || took > 8*time.Second {
		t.Errorf("deletion took %v, want preStop's second and little more", took)
	}
	text, err := os.ReadFile(filepath.Join(w.cluster(), "nodes", node, "log", ns+"_p_"+id, "c/0.log"))
	before, after, ok := strings.Cut(string(text), "preStop ran")
	if err != nil || !ok || strings.Contains(before, "SIGTERM") || !strings.Contains(after, "SIGTERM: good bye") {
		t.Errorf("log: %q, %v", text, err)
	}
	if text, err := os.ReadFile(filepath.Join(w.cluster(), "nodes", node, "rootfs/srv/stop/post")); err != nil {
		t.Errorf("postStart: %q, %v", text, err)
	}
	began = time.Now()
	k("delete", "pod", "stubborn")
	if took := time.Since(began); took < 2*time.Second || took > 7*time.Second {
		t.Errorf("a pod that ignores SIGTERM took %v, want its grace of 2 s", took)
	}
}

func TestLivenessRestarts(t *testing.T) {
	k := space(t)
	k("apply", `
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  terminationGracePeriodSeconds: 2
  containers:
  - name: c
    image: lab/web:1
    volumeMounts: [{name: v, mountPath: /data}]
    livenessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1, failureThreshold: 2}
    readinessProbe: {exec: {command: ["sh", "-c", "test ! -e /data/unready"]}, periodSeconds: 1}
  - {name: other, image: "lab/sh:1", args: ["-c", "sleep 1000"]}
  volumes: [{name: v, emptyDir: {}}]
`)
	k("wait", "--for=condition=Ready", "pod/p", "--timeout=20s")
	k("exec", "p", "-c", "c", "--", "touch", "/data/unready")
	until(t, k, "1/0", "get", "pod", "p", "-o", `jsonpath={.status.containerStatuses[?(@.name=="c")].restartCount}/{.status.containerStatuses[?(@.name=="other")].restartCount}`)
	k("exec", "p", "-c", "c", "--", "rm", "/data/unready")
	k("wait", "--for=condition=Ready", "pod/p", "--timeout=20s")
	until(t, k, "failed liveness probe, will be restarted", "get", "events")
}

func TestExecStreams(t *testing.T) {
	k := space(t)
	k("apply", `
apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {containers: [{name: c, image: "lab/web:1"}]}
`)
	k("wait", "--for=condition=Ready", "pod/p", "--timeout=20s")
	ns := strings.ToLower(t.Name())
	if out, err := w.kubectlIn("through\n", "-n", ns, "exec", "-i", "p", "--", "cat"); err != nil || out != "through" {
		t.Errorf("standard input: %q, %v", out, err)
	}
	if _, err := w.kubectl("-n", ns, "exec", "p", "--", "sh", "-c", "exit 7"); err == nil || !strings.Contains(err.Error(), "exit code 7") {
		t.Errorf("exit code: %v", err)
	}
	cmd := exec.Command("script", "-qec", strings.Join([]string{w.kcp, "kubectl", "--kubeconfig", filepath.Join(w.cluster(), "admin.kubeconfig"),
		"-n", ns, "exec", "-it", "p", "--", "sh", "-c", "'tty && echo is-a-terminal'"}, " "), "/dev/null")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "/dev/pts/0") {
		t.Errorf("terminal: %q, %v", out, err)
	}
}
