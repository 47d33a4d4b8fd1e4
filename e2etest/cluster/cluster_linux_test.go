package cluster_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/cluster"
	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/lab/sandbox"
	"github.com/steelyard-lb/steelyard/e2etest/probe"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var (
	box  sandbox.Sandbox
	kube *cluster.Cluster // shared by the tests of this package
)

func TestMain(m *testing.M) {
	box = sandbox.Enter(sandbox.Options{Forward: true})
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func start() error {
	bin, err := cluster.FindBin()
	if err != nil {
		return err
	}
	l, err := lab.Build(box.Dir, lab.Default(3).Without("bird", "birdclient", "frr", "frrclient", "gobgp", "gobgpclient"))
	if err != nil {
		return err
	}
	if kube, err = cluster.Start(context.Background(), l, cluster.Config{Bin: bin, KubeProxy: true}); err != nil {
		return err
	}
	_, err = kube.Kubectl("apply", "-f", "testdata/web.yaml")
	if err == nil {
		_, err = kube.Kubectl("rollout", "status", "deployment/web", "--timeout=60s")
	}
	return err
}

// eventually tries until it goes well.
func eventually(t *testing.T, within time.Duration, check func() error) {
	t.Helper()
	if err := cluster.Poll(t.Context(), within, check); err != nil {
		t.Fatal(err)
	}
}

// get asks from a host and wants the text in the answer.
func get(t *testing.T, from, url, text string) error {
	t.Helper()
	host, err := kube.Lab.Host(from)
	if err != nil {
		return err
	}
	answer, err := probe.Get(t.Context(), host.Netns, probe.Request{URL: url})
	if err == nil && !strings.Contains(answer.Body, text) {
		err = fmt.Errorf("answer %q", answer.Body)
	}
	return err
}

func TestNodePortAndClusterIP(t *testing.T) {
	for _, node := range []string{"172.30.0.11", "172.30.0.12", "[fd00:30::13]"} {
		eventually(t, 15*time.Second, func() error { return get(t, "client", "http://"+node+":30080/", "hello from web-") })
	}
	ip, err := kube.Kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, func() error { return get(t, "n1", "http://"+ip+"/", "hello from web-") })
	if err := get(t, "client", "http://"+ip+"/", ""); err == nil {
		t.Error("a ClusterIP must not be reachable from outside")
	}
}

func TestProxyOffAndOn(t *testing.T) {
	url := "http://172.30.0.11:30080/"
	eventually(t, 15*time.Second, func() error { return get(t, "client", url, "hello") })
	if err := kube.StopProxy("n1"); err != nil {
		t.Fatal(err)
	}
	if err := get(t, "client", url, ""); err == nil {
		t.Error("a NodePort is served without kube-proxy")
	}
	if err := kube.StartProxy("n1"); err != nil {
		t.Fatal(err)
	}
	eventually(t, 15*time.Second, func() error { return get(t, "client", url, "hello") })
}

func TestNames(t *testing.T) {
	eventually(t, 5*time.Second, func() error {
		addrs, err := kube.Resolve(t.Context(), "client", "udp", "web.default.svc.cluster.local")
		if err == nil && len(addrs) == 0 {
			err = fmt.Errorf("no address")
		}
		return err
	})
	// From a pod's point of view: through the ClusterIP of kube-dns.
	host, err := kube.Lab.Host("n2")
	if err != nil {
		t.Fatal(err)
	}
	for _, proto := range []string{"udp", "tcp"} {
		ask := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (conn net.Conn, err error) {
			err = host.Netns.Do(func() (err error) {
				conn, err = (&net.Dialer{}).DialContext(ctx, proto, "10.96.0.10:53")
				return err
			})
			return conn, err
		}}
		eventually(t, 10*time.Second, func() error {
			_, err := ask.LookupHost(t.Context(), "web.default.svc.cluster.local.")
			return err
		})
	}
}

func TestForward(t *testing.T) {
	path := filepath.Join(box.Dir, "kubeconfig")
	listener, err := kube.Forward(box, path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	config, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(config), fmt.Sprintf("https://127.0.0.1:%d", box.Port)) {
		t.Errorf("kubeconfig for the user: %v\n%s", err, config)
	}
	// The outer process relays its port to this socket; here we take its part.
	conn, err := net.Dial("unix", box.Socket())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(3 * time.Second))
	fmt.Fprint(conn, "GET / HTTP/1.0\r\n\r\n")
	buf := make([]byte, 512)
	if n, err := conn.Read(buf); err != nil || !strings.Contains(string(buf[:n]), "HTTPS server") {
		t.Errorf("the API server, asked without TLS, said %q (%v)", buf[:n], err)
	}
}

func TestCrashedContainerIsRestarted(t *testing.T) {
	pod, err := kube.ReadyPod(t.Context(), "default", "app=web")
	if err != nil {
		t.Fatal(err)
	}
	if err := kube.SignalPod(pod.Spec.NodeName, "default", pod.Name, "", syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, func() error {
		out, err := kube.Kubectl("get", "pod", pod.Name, "-o", "jsonpath={.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}")
		if err == nil && out != "1 true" {
			err = fmt.Errorf("restarts and readiness: %s", out)
		}
		return err
	})
}

func TestAPIOutage(t *testing.T) {
	if err := kube.Control("stop", "kube-apiserver"); err != nil {
		t.Fatal(err)
	}
	if _, err := kube.Kubectl("get", "nodes"); err == nil {
		t.Error("kubectl works without an API server")
	}
	if err := get(t, "client", "http://172.30.0.12:30080/", "hello"); err != nil {
		t.Errorf("traffic without an API server: %v", err)
	}
	if err := kube.Revive(t.Context(), "start"); err != nil {
		t.Fatal(err)
	}
	if _, err := kube.Kubectl("get", "nodes"); err != nil {
		t.Error(err)
	}
}

// TestSlowAPI asks a slow API server over connections old and new, from nodes and
// from its own host.
func TestSlowAPI(t *testing.T) {
	const delay = 300 * time.Millisecond
	ask := func() time.Duration {
		t.Helper()
		start := time.Now()
		if _, err := kube.Client.CoreV1().Nodes().Get(t.Context(), "n1", metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
		return time.Since(start)
	}
	ask() // a connection stands
	end, err := kube.Slow(delay)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end() })
	for range 3 {
		if took := ask(); took < delay {
			t.Errorf("a request to a slow API server took %v", took)
		}
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, func() error {
		if took := ask(); took >= delay {
			return fmt.Errorf("the API server is still slow: %v", took)
		}
		return nil
	})
}

func TestPowerOffAndOn(t *testing.T) {
	if err := kube.PowerOff("n3"); err != nil {
		t.Fatal(err)
	}
	if kube.PoweredOn("n3") {
		t.Error("n3 is still on")
	}
	eventually(t, 90*time.Second, func() error {
		out, err := kube.Kubectl("get", "node", "n3", "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
		if err == nil && out != "Unknown" {
			err = fmt.Errorf("node n3 is Ready=%s", out)
		}
		return err
	})
	if err := kube.PowerOn(t.Context(), "n3"); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, func() error { return get(t, "client", "http://172.30.0.13:30080/", "hello from web-") })
}

// TestHelm shows that this is real Helm: a release with revisions, hooks, and
// objects that outlive it because they ask to.
func TestHelm(t *testing.T) {
	helm := func(args ...string) string {
		t.Helper()
		out, err := kube.Helm(append(args, "--namespace", "tiny")...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	helm("install", "tiny", "testdata/chart", "--create-namespace")
	helm("upgrade", "tiny", "testdata/chart", "--set", "greeting=again")
	if out := helm("history", "tiny"); !strings.Contains(out, "superseded") || !strings.Contains(out, "deployed") {
		t.Errorf("history:\n%s", out)
	}
	out, err := kube.Kubectl("-n", "tiny", "get", "configmap", "plain", "-o", "jsonpath={.data.greeting}")
	if err != nil || out != "again" {
		t.Errorf("after the upgrade: %q, %v", out, err)
	}
	helm("uninstall", "tiny")
	out, err = kube.Kubectl("-n", "tiny", "get", "configmaps,secrets", "-o", "name")
	if err != nil || !strings.Contains(out, "configmap/kept") || strings.Contains(out, "plain") || strings.Contains(out, "helm.release") {
		t.Errorf("after uninstall: %s, %v", out, err)
	}
}
