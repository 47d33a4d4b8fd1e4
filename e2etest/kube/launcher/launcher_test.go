package launcher

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecretsOfACluster(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "c")
	o, err := upFlags([]string{"--dir", dir, "--advertise", "192.0.2.1"}, "/kcp")
	if err != nil {
		t.Fatal(err)
	}
	service, err := o.serviceAddrs()
	if err != nil || len(service) != 2 || service[0] != netip.MustParseAddr("10.96.0.1") || service[1] != netip.MustParseAddr("fd00:10:96::1") {
		t.Fatalf("addresses of the kubernetes Service: %v, %v", service, err)
	}
	if err := o.dir().prepare(); err != nil {
		t.Fatal(err)
	}
	if err := o.dir().writeSecrets(o.server(), addrs(o), service); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v", info.Mode(), err)
	}
	verify(t, dir, "pki/apiserver.crt", "10.96.0.1", "kube-apiserver")
	if err := o.dir().writeNode("n1", []netip.Addr{netip.MustParseAddr("192.0.2.2")}); err != nil {
		t.Fatal(err)
	}
	verify(t, dir, "nodes/n1/serving.crt", "192.0.2.2", "system:node:n1")
	text, err := os.ReadFile(filepath.Join(dir, "nodes/n1/kubelet.kubeconfig"))
	if err != nil || !strings.Contains(string(text), "server: https://192.0.2.1:6443\n") {
		t.Errorf("kubeconfig: %s, %v", text, err)
	}
}

// verify checks a certificate as a client of host would.
func verify(t *testing.T, dir, name, host, user string) {
	t.Helper()
	pool := x509.NewCertPool()
	ca, err := os.ReadFile(filepath.Join(dir, "pki/ca.crt"))
	if err != nil || !pool.AppendCertsFromPEM(ca) {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: pool, DNSName: host}); err != nil || cert.Subject.CommonName != user {
		t.Errorf("%s: user %q, %v", name, cert.Subject.CommonName, err)
	}
}

func TestRefusedOptions(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--dir d", "usage"},
		{"--dir d --advertise 127.0.0.1", "loopback"},
		{"--dir d --advertise web", "--advertise"},
		{"--dir d --advertise 192.0.2.1 --service-cidr 10.0.0.0", "bad address range"},
	} {
		if _, err := upFlags(strings.Fields(c.args), "/kcp"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.args, err, c.want)
		}
	}
	long := layout("/tmp/" + strings.Repeat("x", 120))
	if err := long.prepare(); !errors.Is(err, ErrPathTooLong) {
		t.Errorf("long directory: %v", err)
	}
}

func TestPrepareLeavesForeignFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"mine.txt", "etcd"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := layout(dir).prepare(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "mine.txt")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "etcd")); err == nil {
		t.Error("the data of an earlier cluster is still there")
	}
}
