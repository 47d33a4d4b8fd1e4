package launcher

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
)

// layout names the files of one cluster's directory.
type layout string

func (d layout) path(parts ...string) string {
	return filepath.Join(append([]string{string(d)}, parts...)...)
}

func (d layout) pki() string                { return d.path("pki") }
func (d layout) pkiFile(name string) string { return d.path("pki", name) }
func (d layout) log(program string) string  { return d.path("log", program+".log") }
func (d layout) kubeconfig(user string) string {
	return d.path(user + ".kubeconfig")
}
func (d layout) socket() string       { return d.path("control.sock") }
func (d layout) node(n string) string { return d.path("nodes", n) }
func (d layout) clusterFile() string  { return d.path("cluster.json") }
func (d layout) etcdClient() string   { return d.path("localhost:2379") }
func (d layout) etcdPeer() string     { return d.path("localhost:2380") }

// maxSocketPath is the size of sun_path less its final NUL.
const maxSocketPath = 107

// ErrPathTooLong reports a directory in which etcd's unix sockets would have
// longer names than the kernel takes.
var ErrPathTooLong = errors.New("directory name too long for unix sockets")

// prepare makes the directory and removes what an earlier run left in it. It
// deletes only what launchers write, never foreign files.
func (d layout) prepare() error {
	if n := len(d.etcdClient()); n > maxSocketPath {
		return fmt.Errorf("%w: %s has %d bytes, at most %d", ErrPathTooLong, d.etcdClient(), n, maxSocketPath)
	}
	ours := []string{"etcd", "pki", "log", "nodes", "control.sock", "cluster.json", "localhost:2379", "localhost:2380"}
	for _, user := range kubeconfigUsers {
		ours = append(ours, user.file+".kubeconfig")
	}
	for _, name := range ours {
		if err := os.RemoveAll(d.path(name)); err != nil {
			return fmt.Errorf("remove what an earlier run left: %w", err)
		}
	}
	for _, dir := range []string{string(d), d.pki(), d.path("log"), d.path("nodes")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make the cluster's directory: %w", err)
		}
	}
	return os.Chmod(string(d), 0o700)
}

// cluster is what later commands on the same directory need to know.
type cluster struct {
	Server string `json:"server"` // URL of the API server
}

func (d layout) writeCluster(c cluster) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return os.WriteFile(d.clusterFile(), append(b, '\n'), 0o600)
}

func (d layout) readCluster() (cluster, error) {
	var c cluster
	b, err := os.ReadFile(d.clusterFile())
	if err != nil {
		return c, fmt.Errorf("no cluster in this directory: %w", err)
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("read %s: %w", d.clusterFile(), err)
	}
	return c, nil
}

// kubeconfigUsers are the identities of the control plane's own clients.
// kube-proxy runs on every node under one name, as kubeadm has it.
var kubeconfigUsers = []struct {
	file string
	id   identity
}{
	{"admin", identity{name: "admin", groups: []string{"system:masters"}}},
	{"controller-manager", identity{name: "system:kube-controller-manager"}},
	{"scheduler", identity{name: "system:kube-scheduler"}},
	{"kube-proxy", identity{name: "system:kube-proxy"}},
}

// writeKubeconfig writes a kubeconfig with everything inside it, so that it
// may be copied anywhere.
func writeKubeconfig(file, server, user string, ca []byte, pair keyPair) error {
	b64 := base64.StdEncoding.EncodeToString
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: lab
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: %s
  user:
    client-certificate-data: %s
    client-key-data: %s
contexts:
- name: lab
  context: {cluster: lab, user: %s}
current-context: lab
`, server, b64(ca), user, b64(pair.cert), b64(pair.key), user)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the kubeconfig of %s: %w", user, err)
	}
	return nil
}

func (d layout) writePair(name string, pair keyPair) error {
	if err := os.WriteFile(d.pkiFile(name+".crt"), pair.cert, 0o600); err != nil {
		return err
	}
	return os.WriteFile(d.pkiFile(name+".key"), pair.key, 0o600)
}

// writeSecrets makes every key, certificate and kubeconfig of a new cluster.
func (d layout) writeSecrets(server string, advertise, serviceIP []netip.Addr) error {
	ca, err := newAuthority()
	if err != nil {
		return err
	}
	caKey, err := encodeKey(ca.key)
	if err != nil {
		return err
	}
	if err := d.writePair("ca", keyPair{cert: ca.certPEM, key: caKey}); err != nil {
		return err
	}
	loopback := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}
	pairs := map[string]identity{
		"apiserver": {
			name:  "kube-apiserver",
			dns:   []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
			addrs: append(append(loopback, advertise...), serviceIP...),
		},
		"kubelet-client":  {name: "kube-apiserver-kubelet-client", groups: []string{"system:masters"}},
		"front-proxy":     {name: "front-proxy-client"},
		"service-account": {name: "service-accounts"},
	}
	for name, id := range pairs {
		pair, err := ca.issue(id)
		if err != nil {
			return err
		}
		if err := d.writePair(name, pair); err != nil {
			return err
		}
	}
	for _, user := range kubeconfigUsers {
		pair, err := ca.issue(user.id)
		if err != nil {
			return err
		}
		if err := writeKubeconfig(d.kubeconfig(user.file), server, user.id.name, ca.certPEM, pair); err != nil {
			return err
		}
	}
	return d.writeCluster(cluster{Server: server})
}
