package selftest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const inside = "KCP_SELFTEST_INSIDE"

// world is the lab of this test.
type world struct {
	kcp, dir string
	up       *exec.Cmd
	kubelets map[string]*exec.Cmd
	images   string
}

var w world

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		serve(os.Args[2])
	}
	if os.Getenv(inside) == "" {
		os.Exit(again())
	}
	code, err := build(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "selftest:", err)
		code = 1
	}
	os.Exit(code)
}

// again runs this binary in namespaces of its own.
func again() int {
	runtime.LockOSThread()
	dir, err := os.MkdirTemp("", "kcp")
	if err != nil {
		fmt.Fprintln(os.Stderr, "selftest:", err)
		return 1
	}
	defer os.RemoveAll(dir) // here, where no mount of the inside holds it
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"="+dir)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "selftest:", err)
		return 1
	}
	return 0
}

func build(m *testing.M) (int, error) {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return 1, err
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return 1, err
	}
	w.kcp = os.Getenv("KCP")
	if w.kcp == "" {
		w.kcp = "../../../bin/kcp"
	}
	var err error
	if w.kcp, err = filepath.Abs(w.kcp); err != nil {
		return 1, err
	}
	w.dir = os.Getenv(inside)
	if err := w.lan(); err != nil {
		return 1, fmt.Errorf("make the LAN: %w", err)
	}
	if err := w.start(); err != nil {
		return 1, err
	}
	code := m.Run()
	if code != 0 {
		w.showLogs()
	}
	return code, w.stop()
}

// start brings the control plane, both nodes and their kube-proxies up.
func (w *world) start() error {
	began := time.Now()
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	w.images = filepath.Join(w.dir, "images.json")
	table := fmt.Sprintf(`{"lab/web:*": {"entrypoint": [%q, "serve"], "cmd": ["8080"]}, "lab/sh:*": {"entrypoint": ["/bin/sh"]}}`, exe)
	if err := os.WriteFile(w.images, []byte(table), 0o600); err != nil {
		return err
	}
	ready := filepath.Join(w.dir, "ready")
	w.up = exec.Command(w.kcp, "up", "--dir", w.cluster(), "--advertise", "172.31.0.1", "--ready-file", ready, "--die-with-parent")
	w.up.Stdout, w.up.Stderr = os.Stderr, os.Stderr
	if err := w.up.Start(); err != nil {
		return err
	}
	if err := eventually(90*time.Second, func() error { _, err := os.Stat(ready); return err }); err != nil {
		return err
	}
	routes := exec.Command(w.kcp, "routes", "--dir", w.cluster(), "--die-with-parent")
	routes.Stderr = w.logFile("routes")
	if err := routes.Start(); err != nil {
		return err
	}
	w.kubelets = map[string]*exec.Cmd{}
	for i, node := range nodes {
		if out, err := exec.Command(w.kcp, "node-kubeconfig", "--dir", w.cluster(), "--node", node, "--ip", nodeIPs(i+2)).CombinedOutput(); err != nil {
			return fmt.Errorf("node-kubeconfig: %w: %s", err, out)
		}
		if err := w.startKubelet(node, i+2); err != nil {
			return err
		}
		proxy := w.insideNode(node, w.kcp, "kube-proxy", "--kubeconfig="+filepath.Join(w.cluster(), "kube-proxy.kubeconfig"),
			"--hostname-override="+node, "--proxy-mode=nftables", "--cluster-cidr=10.244.0.0/16,fd00:10:244::/56", "--conntrack-max-per-core=0")
		proxy.Stderr = w.logFile("proxy-" + node)
		if err := proxy.Start(); err != nil {
			return err
		}
	}
	if err := eventually(30*time.Second, w.allReady); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "selftest: cluster of two nodes ready after %d ms\n", time.Since(began).Milliseconds())
	return nil
}

func (w *world) cluster() string { return filepath.Join(w.dir, "c") }

func (w *world) logFile(name string) *os.File {
	f, err := os.OpenFile(filepath.Join(w.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	return f
}

func (w *world) startKubelet(node string, host int) error {
	cmd := w.insideNode(node, w.kcp, "kubelet", "--node", node, "--node-ip", nodeIPs(host), "--dir", filepath.Join(w.cluster(), "nodes", node),
		"--images", w.images, "--routes", "--labels", "topology.kubernetes.io/zone=z"+node, "--dns", "10.96.0.10")
	cmd.Stderr = w.logFile("kubelet-" + node)
	w.kubelets[node] = cmd
	return cmd.Start()
}

func (w *world) allReady() error {
	out, err := w.kubectl("get", "nodes", "-o", `jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status} {end}`)
	if err != nil {
		return err
	}
	if out != strings.TrimSpace(strings.Repeat("True ", len(nodes))) {
		return fmt.Errorf("nodes: %q", out)
	}
	return nil
}

func (w *world) stop() error {
	for _, cmd := range w.kubelets {
		cmd.Process.Signal(syscall.SIGTERM)
	}
	for _, cmd := range w.kubelets {
		cmd.Wait()
	}
	w.up.Process.Signal(syscall.SIGTERM)
	w.up.Wait()
	return nil
}

func (w *world) showLogs() {
	logs, _ := filepath.Glob(filepath.Join(w.dir, "kubelet*.log"))
	for _, path := range logs {
		text, _ := os.ReadFile(path)
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		fmt.Fprintf(os.Stderr, "--- %s\n%s\n", filepath.Base(path), strings.Join(lines[max(0, len(lines)-30):], "\n"))
	}
}

// kubectl returns the standard output, trimmed.
func (w *world) kubectl(args ...string) (string, error) { return w.kubectlIn("", args...) }

func (w *world) kubectlIn(stdin string, args ...string) (string, error) {
	cmd := exec.Command(w.kcp, append([]string{"kubectl", "--kubeconfig", filepath.Join(w.cluster(), "admin.kubeconfig")}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return strings.TrimSpace(out.String()), fmt.Errorf("kubectl %s: %w: %s%s", strings.Join(args, " "), err, out.String(), errOut.String())
	}
	return strings.TrimSpace(out.String()), nil
}

func eventually(limit time.Duration, f func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := f()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}
