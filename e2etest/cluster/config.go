package cluster

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// The address ranges of the cluster.
const (
	ServiceCIDR = "10.96.0.0/16,fd00:10:96::/112"
	ClusterCIDR = "10.244.0.0/16,fd00:10:244::/56"
)

// The addresses of the cluster's DNS Service.
var dnsAddrs = []netip.Addr{netip.MustParseAddr("10.96.0.10"), netip.MustParseAddr("fd00:10:96::a")}

// Image names of the lab's table.
const (
	ImageHello     = "steelyard.io/hello:lab"
	ImageSteelyard = "steelyard.io/steelyard:lab"
)

// Config says what a cluster is made of.
type Config struct {
	Bin       string // directory of kcp, helm, hello, steelyard
	KubeProxy bool   // start kube-proxy on every node
}

// FindBin returns the directory of the lab's binaries: $STEELYARD_BIN, or the
// nearest directory bin above the working directory that holds kcp.
func FindBin() (string, error) {
	if dir := os.Getenv("STEELYARD_BIN"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		bin := filepath.Join(dir, "bin")
		if _, err := os.Stat(filepath.Join(bin, "kcp")); err == nil {
			return bin, nil
		}
		if dir == "/" {
			return "", fmt.Errorf("no bin/kcp here or above: build it with make, or set STEELYARD_BIN")
		}
	}
}

// image is an entry of the kubelet's image table.
type image struct {
	Entrypoint []string `json:"entrypoint"`
}

// writeImages writes the table by which the kubelet finds the program of an
// image.
func writeImages(path, bin string) error {
	table := map[string]image{
		ImageHello:     {[]string{filepath.Join(bin, "hello")}},
		ImageSteelyard: {[]string{filepath.Join(bin, "steelyard")}},
	}
	data, err := json.MarshalIndent(table, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

// join writes addresses the way flags take them.
func join(addrs []netip.Addr) string {
	texts := make([]string, len(addrs))
	for i, a := range addrs {
		texts[i] = a.String()
	}
	return strings.Join(texts, ",")
}
