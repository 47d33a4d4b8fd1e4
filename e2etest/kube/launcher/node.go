package launcher

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// NodeKubeconfig is the command "kcp node-kubeconfig": it writes what a
// kubelet needs into DIR/nodes/NAME: kubelet.kubeconfig, routes.kubeconfig,
// serving.crt, serving.key and ca.crt.
func NodeKubeconfig(args []string) int {
	fs := flag.NewFlagSet("kcp node-kubeconfig", flag.ContinueOnError)
	dir := fs.String("dir", "", "directory of the cluster")
	node := fs.String("node", "", "name of the node")
	list := fs.String("ip", "", "addresses of the node, separated by commas")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	if *dir == "" || *node == "" || *list == "" || fs.NArg() != 0 {
		return fail(fmt.Errorf("usage: kcp node-kubeconfig --dir DIR --node NAME --ip IP[,IP6]"))
	}
	path, err := filepath.Abs(*dir)
	if err != nil {
		return fail(err)
	}
	var ips []netip.Addr
	for _, text := range strings.Split(*list, ",") {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return fail(fmt.Errorf("--ip: %w", err))
		}
		ips = append(ips, ip)
	}
	if err := layout(path).writeNode(*node, ips); err != nil {
		return fail(err)
	}
	return 0
}

// writeNode gives a node its identity. The client certificate is what the
// Node authorizer and NodeRestriction go by.
func (d layout) writeNode(node string, ips []netip.Addr) error {
	c, err := d.readCluster()
	if err != nil {
		return err
	}
	ca, err := loadAuthority(d.pki())
	if err != nil {
		return err
	}
	user := "system:node:" + node
	client, err := ca.issue(identity{name: user, groups: []string{"system:nodes"}})
	if err != nil {
		return err
	}
	serving, err := ca.issue(identity{name: user, groups: []string{"system:nodes"}, dns: []string{node}, addrs: ips})
	if err != nil {
		return err
	}
	dir := d.node(node)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the directory of node %s: %w", node, err)
	}
	files := map[string][]byte{"serving.crt": serving.cert, "serving.key": serving.key, "ca.crt": ca.certPEM}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return fmt.Errorf("write %s of node %s: %w", name, node, err)
		}
	}
	if err := writeKubeconfig(filepath.Join(dir, "kubelet.kubeconfig"), c.Server, user, ca.certPEM, client); err != nil {
		return err
	}
	// A node may not read other nodes. Whoever keeps routes between them is a
	// program of its own in other clusters; here it borrows kube-proxy's rights.
	router, err := ca.issue(identity{name: "system:kube-proxy"})
	if err != nil {
		return err
	}
	return writeKubeconfig(filepath.Join(dir, "routes.kubeconfig"), c.Server, "system:kube-proxy", ca.certPEM, router)
}
