package storm

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/steelyard-lb/steelyard/e2etest/cluster"
	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/lab/network"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// Names in the cluster.
const (
	system  = "steelyard-system"
	tenants = "storm" // namespace of the Services
	lease   = "steelyard-controller"
)

// World is a control plane without a node, with the product's chart in it and
// no process of the product.
type World struct {
	Cluster *cluster.Cluster

	bin, root string
	netns     *network.Netns
	up        Upstream
	token     string // of the controller's ServiceAccount
}

// StartWorld brings up the control plane below dir and installs the chart in
// the repository root.
func StartWorld(ctx context.Context, dir, root string) (*World, error) {
	bin, err := cluster.FindBin()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(bin, "steelyard")); err != nil {
		return nil, fmt.Errorf("bin/steelyard is missing, build it with make: %w", err)
	}
	l, err := lab.Build(dir, lab.Default(0).Without("client", "witness", "frr", "frrclient", "bird", "birdclient"))
	if err != nil {
		return nil, err
	}
	c, err := cluster.Start(ctx, l, cluster.Config{Bin: bin})
	if err != nil {
		return nil, err
	}
	host, err := l.Host("cp")
	if err != nil {
		return nil, err
	}
	w := &World{Cluster: c, bin: bin, root: root, netns: host.Netns}
	return w, errors.Join(w.findServer(), w.install(ctx))
}

// Logs is the directory of the logs.
func (w *World) Logs() string { return w.Cluster.Lab.Logs() }

// findServer reads where the API server is.
func (w *World) findServer() error {
	conf, err := clientcmd.BuildConfigFromFlags("", w.Cluster.Kubeconfig())
	if err != nil {
		return fmt.Errorf("administrator's kubeconfig: %w", err)
	}
	w.up = Upstream{Server: conf.Host, Roots: x509.NewCertPool(), Dial: w.dial}
	if !w.up.Roots.AppendCertsFromPEM(conf.CAData) {
		return errors.New("administrator's kubeconfig: no certificate authority")
	}
	return nil
}

func (w *World) dial(ctx context.Context, network, addr string) (conn net.Conn, err error) {
	err = w.netns.Do(func() (err error) {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, addr)
		return err
	})
	return conn, err
}

// observerClient has no time limit, as watches need it.
func (w *World) observerClient() (kubernetes.Interface, error) {
	conf, err := clientcmd.BuildConfigFromFlags("", w.Cluster.Kubeconfig())
	if err != nil {
		return nil, fmt.Errorf("administrator's kubeconfig: %w", err)
	}
	conf.QPS, conf.Dial = -1, w.dial
	return kubernetes.NewForConfig(conf)
}

// install makes the objects of the chart, whose pods stay pending for want of
// a node, the pools, and a token for the controllers.
func (w *World) install(ctx context.Context) error {
	_, err := w.Cluster.Helm("upgrade", "--install", "steelyard", filepath.Join(w.root, "charts", "steelyard"),
		"--namespace", system, "--create-namespace", "--set", "ingress.enabled=false")
	if err != nil {
		return err
	}
	file := filepath.Join(w.Cluster.Lab.Dir, "pools.yaml")
	if err := os.WriteFile(file, []byte(poolManifest), 0o600); err != nil {
		return err
	}
	if _, err := w.Cluster.Kubectl("apply", "-f", file); err != nil {
		return err
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: tenants}}
	if _, err := w.Cluster.Client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("namespace of the Services: %w", err)
	}
	hours := int64(12 * 3600)
	token, err := w.Cluster.Client.CoreV1().ServiceAccounts(system).CreateToken(ctx, "steelyard-controller",
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &hours}}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("token of the controllers: %w", err)
	}
	w.token = token.Status.Token
	return nil
}

// Leader is the identity in the Lease, "" if nobody holds it, and how often the
// Lease changed hands.
func (w *World) Leader(ctx context.Context) (string, int32, error) {
	l, err := w.Cluster.Client.CoordinationV1().Leases(system).Get(ctx, lease, metav1.GetOptions{})
	if err != nil {
		return "", 0, err
	}
	var who string
	var changes int32
	if l.Spec.HolderIdentity != nil {
		who = *l.Spec.HolderIdentity
	}
	if l.Spec.LeaseTransitions != nil {
		changes = *l.Spec.LeaseTransitions
	}
	return who, changes, nil
}

// KeepLogs copies the logs of the controllers to dir.
func (w *World) KeepLogs(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(w.Logs(), "*.log"))
	if err != nil {
		return err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// poolManifest has one pool that is too small for those who ask for it and one
// that never runs out.
var poolManifest = strings.NewReplacer("$TIGHT", tightRange, "$WIDE4", wide4, "$WIDE6", wide6, "$SYSTEM", system).Replace(`
apiVersion: steelyard.io/v1beta1
kind: IPAddressPool
metadata: {name: tight, namespace: $SYSTEM}
spec: {addresses: [$TIGHT], autoAssign: false}
---
apiVersion: steelyard.io/v1beta1
kind: IPAddressPool
metadata: {name: wide, namespace: $SYSTEM}
spec: {addresses: [$WIDE4, "$WIDE6"]}
`)

// The ranges of the pools.
const (
	tightRange = "198.51.100.1-198.51.100.60"
	tightSize  = 60
	wide4      = "198.18.0.0/20"
	wide6      = "2001:db8:51::/112"
)
