package crowded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
	"github.com/steelyard-lb/steelyard/e2etest/lab/router"
	"github.com/steelyard-lb/steelyard/e2etest/scenario"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	namespace = "bench"
	nodeName  = "node" // the host of the speaker, and the name of its Node
	// patience bounds every wait; a lab that needs longer is broken.
	patience = 3 * time.Minute
)

var (
	nodeAddr = netip.MustParseAddr("172.30.0.11")
	podsAddr = netip.MustParseAddr("172.30.0.200")
	// vips has the addresses of the Services, podNet those of their endpoints.
	vips   = netip.MustParsePrefix("100.70.0.0/16")
	podNet = netip.MustParsePrefix("10.128.0.0/12")
)

// Lab is the cluster that the rigs share; the first one starts it.
type Lab struct{ world *world }

// world is a running cluster with all Services in it.
type world struct {
	env     *bench.Env
	setup   *scenario.World
	client  *lab.Host
	conf    *rest.Config         // of the administrator
	admin   kubernetes.Interface // requests
	streams kubernetes.Interface // watches
	command command              // how the speaker is started
	speaker *proc.Proc           // nil while there is none
	routers []*router.Router
	ends    net.Listener // answers at all addresses of podNet
}

// Close ends the cluster if it runs.
func (l *Lab) Close() error {
	w := l.world
	if w == nil {
		return nil
	}
	l.world = nil
	err := errors.Join(w.stopSpeaker(), w.ends.Close())
	for _, r := range w.routers {
		r.Stop()
	}
	w.setup.Cluster.Stop()
	return err
}

// rig makes a rig of the lab.
func (l *Lab) rig(name string, rounds int, measure func(ctx context.Context, w *world) (bench.Metrics, error)) *bench.Rig {
	return &bench.Rig{Name: name, Lab: true, Shared: l, Rounds: rounds, Open: func(ctx context.Context, env *bench.Env) (bench.Instrument, error) {
		if l.world == nil {
			w, err := start(ctx, env)
			if err != nil {
				return nil, fmt.Errorf("start the lab: %w", err)
			}
			l.world = w
		}
		return &instrument{name, l.world, measure}, nil
	}}
}

// instrument is a rig that leaves the Services as they were.
type instrument struct {
	name    string
	world   *world
	measure func(ctx context.Context, w *world) (bench.Metrics, error)
}

// Measure runs one round; where it fails the logs of all processes are kept.
func (i *instrument) Measure(ctx context.Context, _ bench.Side, _ int) (bench.Metrics, error) {
	m, err := i.measure(ctx, i.world)
	if err != nil {
		return nil, scenario.KeepFailed(i.name, i.world.setup.Lab.Dir, err)
	}
	return m, nil
}

// Close has nothing left to do.
func (i *instrument) Close() error { return nil }

// topology is hosts on one LAN; only the control plane runs anything by itself.
func topology() lab.Topology {
	host := func(name string, addr netip.Addr, gateways ...lab.Gateway) lab.HostSpec {
		link := lab.Link{Bridge: lab.LAN, Name: "eth0", Addrs: []netip.Prefix{netip.PrefixFrom(addr, 16)}}
		return lab.HostSpec{Name: name, Kind: lab.Client, Links: []lab.Link{link}, Gateways: gateways}
	}
	topo := lab.Default(0)
	topo.Bridges = []string{lab.LAN}
	topo.Hosts = append(topo.Of(lab.Plane),
		host(nodeName, nodeAddr, lab.Gateway{To: podNet, Via: podsAddr}),
		host("pods", podsAddr),
		host("client", netip.MustParseAddr("172.30.0.100"), lab.Gateway{To: vips, Via: nodeAddr}))
	for i, addr := range routerAddrs() {
		topo.Hosts = append(topo.Hosts, host(fmt.Sprint("router", i+1), addr))
	}
	return topo
}

func start(ctx context.Context, env *bench.Env) (*world, error) {
	sw, err := scenario.Start(ctx, scenario.Options{
		Dir: filepath.Join(env.Dir, "crowded"), Root: env.Root, Bare: true, Topo: topology(),
		Progress: func(what string) { env.Say("%s", what) },
	})
	if err != nil {
		return nil, err
	}
	w := &world{env: env, setup: sw}
	if w.client, err = sw.Lab.Host("client"); err != nil {
		return nil, err
	}
	steps := []func(context.Context) error{w.connect, w.install, w.answer, w.fill, w.prepareSpeaker, w.startRouters}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// connect makes the administrator's clients.
func (w *world) connect(context.Context) (err error) {
	plane, err := w.setup.Lab.Host("cp")
	if err != nil {
		return err
	}
	if w.conf, err = clientcmd.BuildConfigFromFlags("", w.setup.Cluster.Kubeconfig()); err != nil {
		return fmt.Errorf("administrator's kubeconfig: %w", err)
	}
	w.conf.Dial = func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
		err = plane.Netns.Do(func() (err error) {
			conn, err = (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, addr)
			return err
		})
		return conn, err
	}
	w.conf.QPS = -1 // no rate limit
	w.conf.ContentType = runtime.ContentTypeProtobuf
	w.conf.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	if w.streams, err = kubernetes.NewForConfig(w.conf); err != nil {
		return err
	}
	limited := rest.CopyConfig(w.conf)
	limited.Timeout = 30 * time.Second
	w.admin, err = kubernetes.NewForConfig(limited)
	return err
}

// install puts the chart in, and stops what would disturb: nobody is to run its
// pods, and the Node has no kubelet.
func (w *world) install(ctx context.Context) error {
	_, err := w.setup.Cluster.Helm("install", scenario.Release, w.setup.Chart, "--namespace", scenario.System, "--create-namespace",
		"--set", "image.repository=steelyard.io/steelyard", "--set", "image.tag=lab")
	if err != nil {
		return fmt.Errorf("install the product: %w", err)
	}
	for _, program := range []string{"kube-scheduler", "kube-controller-manager"} {
		if err := w.setup.Cluster.Control("stop", program); err != nil {
			return fmt.Errorf("stop %s: %w", program, err)
		}
	}
	_, err = w.admin.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("namespace of the bench: %w", err)
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName, Labels: map[string]string{corev1.LabelHostname: nodeName}}}
	if node, err = w.admin.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("Node of the speaker: %w", err)
	}
	node.Spec.Taints = nil
	if node, err = w.admin.CoreV1().Nodes().Update(ctx, node, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("taints of the Node: %w", err)
	}
	node.Status = corev1.NodeStatus{
		Addresses:  []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: nodeAddr.String()}},
		Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: metav1.Now()}},
	}
	if _, err = w.admin.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("status of the Node: %w", err)
	}
	return nil
}

// answer has the host of the pods tell at which of its addresses it was asked.
func (w *world) answer(context.Context) error {
	pods, err := w.setup.Lab.Host("pods")
	if err != nil {
		return err
	}
	node, err := w.setup.Lab.Host(nodeName)
	if err != nil {
		return err
	}
	for _, err := range []error{pods.Netns.Own(podNet), node.Netns.Sysctl("ipv4.ip_forward", "1"), node.Netns.Sysctl("ipv6.conf.all.forwarding", "1")} {
		if err != nil {
			return err
		}
	}
	err = pods.Netns.Do(func() (err error) {
		w.ends, err = net.Listen("tcp4", fmt.Sprintf(":%d", targetPort))
		return err
	})
	if err != nil {
		return fmt.Errorf("answering end: %w", err)
	}
	go func() {
		for {
			conn, err := w.ends.Accept()
			if err != nil {
				return // it is closed
			}
			go func() {
				defer conn.Close()
				addr, _, _ := net.SplitHostPort(conn.LocalAddr().String())
				fmt.Fprintln(conn, addr)
				conn.Read(make([]byte, 1)) // the client ends it
			}()
		}
	}()
	return nil
}

// await calls check until it returns nil, at most so long as patience lasts.
func await(ctx context.Context, what string, check func() error) error {
	if err := bench.Await(ctx, patience, 100*time.Millisecond, check); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
