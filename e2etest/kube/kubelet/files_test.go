package kubelet

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
)

func TestPayloadSwapsAtOnce(t *testing.T) {
	dir := t.TempDir()
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	first := payload{"a": {[]byte("1"), 0o400}, "sub/b": {[]byte("2"), 0o644}, "old": {[]byte("x"), 0o644}}
	if err := first.write(dir, nil); err != nil {
		t.Fatal(err)
	}
	if read("a")+read("sub/b") != "12" {
		t.Fatalf("got %q and %q", read("a"), read("sub/b"))
	}
	if info, err := os.Stat(filepath.Join(dir, "a")); err != nil || info.Mode().Perm() != 0o400 {
		t.Fatalf("mode: %v, %v", info, err)
	}
	second := payload{"a": {[]byte("3"), 0o400}, "sub/b": {[]byte("4"), 0o644}}
	if err := second.write(dir, nil); err != nil {
		t.Fatal(err)
	}
	if read("a")+read("sub/b") != "34" || !strings.Contains(read("old"), "no such file") {
		t.Fatalf("after the change: %q, %q, %q", read("a"), read("sub/b"), read("old"))
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 4 { // ..data, its directory, a, sub
		t.Fatalf("left behind: %v, %v", entries, err)
	}
	if first.hash() == second.hash() || second.hash() != second.hash() {
		t.Fatal("hash does not follow the content")
	}
}

func TestCopyLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "0.log")
	text := "2026-01-02T03:04:05.1Z stdout F one\n2026-01-02T03:04:06Z stderr P tw\n2026-01-02T03:04:06Z stderr F o\n2026-01-02T03:04:07Z stdout F three\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	since, _ := time.Parse(time.RFC3339, "2026-01-02T03:04:07Z")
	for want, o := range map[string]logOptions{
		"one\ntwo\nthree\n":            {tail: -1},
		"two\nthree\n":                 {tail: 2},
		"":                             {tail: 0},
		"three\n":                      {tail: -1, since: since},
		"2026-01-02T03:04:07Z three\n": {tail: 1, timestamps: true},
		"one\ntw":                      {tail: -1, limit: 6},
	} {
		var out strings.Builder
		if err := copyLog(&out, path, o, func() bool { return true }); err != nil && err.Error() != "EOF" {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("%+v: got %q, want %q", o, out.String(), want)
		}
	}
}

func TestResolvConf(t *testing.T) {
	o := &Options{ClusterDomain: "cluster.local", DNS: []netip.Addr{netip.MustParseAddr("10.96.0.10")}}
	five := "3"
	for _, c := range []struct {
		spec v1.PodSpec
		want string
	}{
		{v1.PodSpec{DNSPolicy: v1.DNSClusterFirst}, "nameserver 10.96.0.10\nsearch ns.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"},
		{v1.PodSpec{DNSPolicy: v1.DNSClusterFirst, HostNetwork: true}, "nameserver 192.0.2.1\n"},
		{v1.PodSpec{DNSPolicy: v1.DNSClusterFirstWithHostNet, HostNetwork: true}, "nameserver 10.96.0.10\nsearch ns.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"},
		{v1.PodSpec{DNSPolicy: v1.DNSDefault}, "nameserver 192.0.2.1\n"},
		{v1.PodSpec{DNSPolicy: v1.DNSNone, DNSConfig: &v1.PodDNSConfig{Nameservers: []string{"192.0.2.9"}}}, "nameserver 192.0.2.9\n"},
		{v1.PodSpec{DNSPolicy: v1.DNSClusterFirst, DNSConfig: &v1.PodDNSConfig{Options: []v1.PodDNSConfigOption{{Name: "ndots", Value: &five}}}},
			"nameserver 10.96.0.10\nsearch ns.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:3\n"},
	} {
		pod := &v1.Pod{Spec: c.spec}
		pod.Namespace = "ns"
		if got := resolvConf(pod, o, "nameserver 192.0.2.1\n"); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.spec, got, c.want)
		}
	}
}

func TestMachinePath(t *testing.T) {
	v := volumes{opts: &Options{Dir: "/d", HostPathAllow: []string{"/sys", "/lib/modules"}}}
	for path, want := range map[string]string{
		"/sys":          "/sys",
		"/sys/x":        "/sys/x",
		"/system":       "/d/rootfs/system",
		"/lib/modules/": "/lib/modules",
		"/sys/../etc":   "/d/rootfs/etc",
		"/var/lib/x":    "/d/rootfs/var/lib/x",
	} {
		if got := v.machinePath(path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}
