package selftest

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// space makes a namespace for a test and returns kubectl for it. It fails the
// test on every error.
func space(t *testing.T) func(args ...string) string {
	t.Helper()
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
	if _, err := w.kubectl("create", "namespace", name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := w.kubectl("-n", name, "get", "pods,events", "-o", "wide")
			t.Log(out)
		}
		w.kubectl("delete", "namespace", name, "--wait=false")
	})
	// After the API server was away, controllers take up to half a minute to
	// look again: their watches back off.
	if err := eventually(45*time.Second, func() error {
		_, err := w.kubectl("-n", name, "get", "sa", "default")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return func(args ...string) string {
		t.Helper()
		stdin := ""
		if args[0] == "apply" {
			stdin, args = args[1], []string{"apply", "-f", "-"}
		}
		out, err := w.kubectlIn(stdin, append([]string{"-n", name}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// until waits for a kubectl query to give what is wanted.
func until(t *testing.T, k func(...string) string, want string, args ...string) {
	t.Helper()
	got := ""
	if err := eventually(30*time.Second, func() error {
		if got = k(args...); !strings.Contains(got, want) {
			return fmt.Errorf("kubectl %s: got %q, want %q", strings.Join(args, " "), got, want)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

const webDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: web}}}
      containers:
      - name: web
        image: lab/web:1
        env:
        - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        ports: [{name: http, containerPort: 8080}]
        volumeMounts: [{name: data, mountPath: /data}]
        readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 1, failureThreshold: 1}
      volumes: [{name: data, emptyDir: {}}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ipFamilyPolicy: RequireDualStack, ports: [{port: 80, targetPort: http}]}
`

func TestDeploymentAndServices(t *testing.T) {
	k := space(t)
	began := time.Now()
	k("apply", webDeployment)
	k("rollout", "status", "deploy/web", "--timeout=30s")
	t.Logf("4 replicas ready after %d ms", time.Since(began).Milliseconds())
	pods := strings.Fields(k("get", "pods", "-o", "jsonpath={.items[*].metadata.name}"))
	nodesUsed := k("get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}")
	if !strings.Contains(nodesUsed, "n1") || !strings.Contains(nodesUsed, "n2") {
		t.Fatalf("pods on %q only", nodesUsed)
	}

	t.Run("every pod reaches every pod in both families", func(t *testing.T) {
		addrs := strings.Fields(k("get", "pods", "-o", "jsonpath={range .items[*]}{.status.podIPs[*].ip} {end}"))
		if len(addrs) != 8 {
			t.Fatalf("got %v, want two addresses for each of four pods", addrs)
		}
		for _, pod := range pods {
			for _, addr := range addrs {
				if strings.Contains(addr, ":") {
					addr = "[" + addr + "]"
				}
				k("exec", pod, "--", "curl", "-sgf", "-m", "3", "http://"+addr+":8080/")
			}
		}
	})

	t.Run("ClusterIPs answer, also to the pods behind them", func(t *testing.T) {
		ips := strings.Fields(k("get", "svc", "web", "-o", "jsonpath={.spec.clusterIPs[*]}"))
		script := fmt.Sprintf("for i in 1 2 3 4 5 6 7 8; do curl -sgf -m 3 http://%s/ && curl -sgf -m 3 'http://[%s]/' || exit 1; done", ips[0], ips[1])
		for _, pod := range pods {
			answers := k("exec", pod, "--", "sh", "-c", script)
			if strings.Count(answers, "web-") != 16 {
				t.Fatalf("pod %s: %s", pod, answers)
			}
		}
	})

	t.Run("readiness gates the EndpointSlice", func(t *testing.T) {
		ip := k("get", "pod", pods[0], "-o", "jsonpath={.status.podIP}")
		query := []string{"get", "endpointslices", "-l", "kubernetes.io/service-name=web", "-o",
			`jsonpath={range .items[*].endpoints[?(@.addresses[0]=="` + ip + `")]}{.conditions.ready}{end}`}
		k("exec", pods[0], "--", "touch", "/data/unready")
		until(t, k, "false", query...)
		k("exec", pods[0], "--", "rm", "/data/unready")
		until(t, k, "true", query...)
	})

	t.Run("rolling update and scale", func(t *testing.T) {
		k("set", "image", "deploy/web", "web=lab/web:2")
		k("rollout", "status", "deploy/web", "--timeout=40s")
		if images := k("get", "pods", "--field-selector=status.phase=Running", "-o", "jsonpath={.items[*].spec.containers[0].image}"); !strings.Contains(images, "lab/web:2") {
			t.Fatal(images)
		}
		k("scale", "deploy/web", "--replicas=1")
		until(t, k, "1", "get", "rs", "-l", "app=web", "-o", "jsonpath={.items[*].status.replicas}")
	})

	t.Run("logs", func(t *testing.T) {
		pod := k("get", "pods", "--field-selector=status.phase=Running", "-o", "jsonpath={.items[0].metadata.name}")
		if text := k("logs", pod); !strings.Contains(text, "listening on 8080") {
			t.Fatalf("got %q", text)
		}
		if text := k("logs", pod, "--tail=1", "--timestamps"); !strings.Contains(text, "Z listening") {
			t.Fatalf("got %q", text)
		}
	})
}

func TestSecurityContext(t *testing.T) {
	k := space(t)
	k("apply", `
apiVersion: v1
kind: Pod
metadata: {name: strict}
spec:
  securityContext: {runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65533, fsGroup: 1234, supplementalGroups: [99]}
  containers:
  - name: c
    image: lab/sh:1
    args: ["-c", "sleep 1000"]
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
    volumeMounts: [{name: work, mountPath: /scratch}]
  volumes: [{name: work, emptyDir: {}}]
---
apiVersion: v1
kind: Pod
metadata: {name: net}
spec:
  hostNetwork: true
  containers:
  - name: c
    image: lab/sh:1
    args: ["-c", "sleep 1000"]
    securityContext: {capabilities: {drop: [ALL], add: [NET_ADMIN, NET_RAW]}}
---
apiVersion: v1
kind: Pod
metadata: {name: plain}
spec: {containers: [{name: c, image: "lab/sh:1", args: ["-c", "sleep 1000"]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: full}
spec: {containers: [{name: c, image: "lab/sh:1", args: ["-c", "sleep 1000"], securityContext: {privileged: true}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: root-refused}
spec: {containers: [{name: c, image: "lab/sh:1", securityContext: {runAsNonRoot: true}}]}
`)
	k("wait", "--for=condition=Ready", "pod/strict", "pod/net", "pod/plain", "pod/full", "--timeout=20s")
	for _, c := range []struct{ pod, script, want string }{
		{"strict", "id -u; id -g; id -G", "65532\n65533\n65533 99 1234"},
		{"strict", "grep -E 'CapBnd|CapEff|CapPrm|NoNewPrivs' /proc/1/status", "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1"},
		{"strict", "grep -E 'CapBnd|CapEff|NoNewPrivs' /proc/self/status", "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1"},
		{"strict", "touch /etc/x 2>&1 || touch /scratch/x && stat -c %g /scratch/x", "Read-only file system\n1234"},
		{"net", "grep -E 'CapBnd|CapEff' /proc/1/status", "CapEff:\t0000000000003000\nCapBnd:\t0000000000003000"},
		{"plain", "grep -E 'CapBnd|CapEff|NoNewPrivs' /proc/1/status", "CapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\nNoNewPrivs:\t0"},
		{"plain", "echo 1 2>&1 > /proc/sys/net/ipv4/ip_forward; ls /root /tmp", "Read-only file system"},
		{"plain", "touch /usr/kcp-selftest-mark /etc/kcp-selftest-mark /kcp-selftest-mark && echo changed", "changed"},
		{"plain", "ls /sys/class/net | tr '\\n' ' '", "eth0 lo"},
		{"full", "echo 1 > /proc/sys/net/ipv4/ip_forward && cat /proc/sys/net/ipv4/ip_forward", "1"},
	} {
		if got := k("exec", c.pod, "--", "sh", "-c", "exec 2>&1; "+c.script); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s: got %q, want %q", c.pod, c.script, got, c.want)
		}
	}
	for _, path := range []string{"/usr/kcp-selftest-mark", "/etc/kcp-selftest-mark", "/kcp-selftest-mark"} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s of a container is on the machine", path)
		}
	}
	until(t, k, "CreateContainerConfigError: container has runAsNonRoot and image will run as root", "get", "pod", "root-refused", "-o",
		"jsonpath={.status.containerStatuses[0].state.waiting.reason}: {.status.containerStatuses[0].state.waiting.message}")
}

func TestTokenReachesTheAPI(t *testing.T) {
	k := space(t)
	k("create", "role", "reader", "--verb=get,list", "--resource=pods")
	k("create", "rolebinding", "reader", "--role=reader", "--serviceaccount="+strings.ToLower(t.Name())+":default")
	k("apply", `
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {containers: [{name: c, image: "lab/sh:1", args: ["-c", "sleep 1000"]}]}
`)
	k("wait", "--for=condition=Ready", "pod/client", "--timeout=20s")
	script := `D=/var/run/secrets/kubernetes.io/serviceaccount
curl -s -m 5 -o /dev/null -w '%{http_code} ' --cacert $D/ca.crt -H "Authorization: Bearer $(cat $D/token)" https://$KUBERNETES_SERVICE_HOST/api/v1/namespaces/$(cat $D/namespace)/pods
curl -s -m 5 -o /dev/null -w '%{http_code}' --cacert $D/ca.crt -H "Authorization: Bearer $(cat $D/token)" https://$KUBERNETES_SERVICE_HOST/api/v1/nodes`
	if got := k("exec", "client", "--", "sh", "-c", script); got != "200 403" {
		t.Fatalf("got %q, want its own pods and no nodes", got)
	}
}
