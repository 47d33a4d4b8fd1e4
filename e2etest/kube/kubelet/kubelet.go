package kubelet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/record"

	"github.com/steelyard-lb/steelyard/e2etest/kube/kubelet/podnet"
)

// errNoRange says that the node has no pod range yet.
var errNoRange = errors.New("no pod range yet")

// shutdownGrace is what pods get when the kubelet itself is stopped.
const shutdownGrace = 2 * time.Second

// kubelet runs the pods of one node.
type kubelet struct {
	ctx     context.Context // ends when the kubelet stops
	opts    *Options
	images  images
	client  kubernetes.Interface
	spawner *spawner
	objects *objects
	tokens  *tokens
	events  record.EventRecorder
	log     logger
	netOnce chan struct{} // closed when net is there
	net     *podnet.Network

	mu   sync.Mutex
	pods map[types.UID]*podRun
}

// Main is the command "kcp kubelet". It must be called by the main goroutine,
// whose thread forks all containers. It returns the exit status.
func Main(args []string) int {
	runtime.LockOSThread()
	opts, err := parseOptions(args)
	if err == nil {
		err = run(opts)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "kubelet:", err)
		return 1
	}
	return 0
}

func run(opts Options) error {
	if opts.DieWithParent {
		if err := dieWithParent(); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	k, err := newKubelet(ctx, opts)
	if err != nil {
		return err
	}
	over, end := context.WithCancel(context.Background())
	var fault error
	go func() {
		defer end()
		fault = k.work(ctx)
	}()
	k.spawner.run(over) // on this thread, to the end
	return fault
}

func dieWithParent() error {
	parent := os.Getppid()
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("prctl(PR_SET_PDEATHSIG): %w", err)
	}
	if os.Getppid() != parent {
		return errors.New("the parent process died during the start")
	}
	return nil
}

func newKubelet(ctx context.Context, opts Options) (*kubelet, error) {
	table, err := loadImages(opts.Images)
	if err != nil {
		return nil, err
	}
	client, err := connect(filepath.Join(opts.Dir, "kubelet.kubeconfig"))
	if err != nil {
		return nil, err
	}
	k := &kubelet{
		ctx: ctx, opts: &opts, images: table, client: client, spawner: newSpawner(),
		log: newLogger(opts.Node), objects: newObjects(ctx, client), tokens: newTokens(client),
		netOnce: make(chan struct{}), pods: map[types.UID]*podRun{},
	}
	k.events = k.recorder(ctx)
	return k, k.clean()
}

// connect makes an API client from a kubeconfig, without client-side limits.
func connect(kubeconfig string) (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("load the node's identity: %w", err)
	}
	config.QPS, config.UserAgent = -1, "lab-kubelet"
	config.ContentConfig = rest.ContentConfig{
		ContentType:        "application/vnd.kubernetes.protobuf",
		AcceptContentTypes: "application/vnd.kubernetes.protobuf,application/json",
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make the API client: %w", err)
	}
	return client, nil
}

// clean removes what an earlier run left in the directory: its pods are gone.
func (k *kubelet) clean() error {
	left, err := filepath.Glob(filepath.Join(k.opts.Dir, "pods", "*", "volumes", "*"))
	if err != nil {
		return err
	}
	for _, path := range left {
		unmountAll(path)
	}
	if err := os.RemoveAll(filepath.Join(k.opts.Dir, "pods")); err != nil {
		return fmt.Errorf("remove what an earlier run left: %w", err)
	}
	for _, dir := range []string{"pods", "rootfs", "log", "netns"} {
		if err := os.MkdirAll(filepath.Join(k.opts.Dir, dir), 0o700); err != nil {
			return fmt.Errorf("make the node's directory: %w", err)
		}
	}
	return os.Chmod(filepath.Join(k.opts.Dir, "rootfs"), 0o755)
}

// work is the kubelet's life: everything it starts has ended when it returns.
func (k *kubelet) work(ctx context.Context) error {
	var tasks sync.WaitGroup
	faults := make(chan error, 3)
	inner, cancel := context.WithCancel(ctx)
	tasks.Go(func() { faults <- k.serve(inner) })
	tasks.Go(func() { faults <- k.serveState(inner) })
	tasks.Go(func() {
		k.register(inner)
		tasks.Go(func() { k.heartbeat(inner) })
		k.startNetwork(inner)
	})
	tasks.Go(func() { k.watchPods(inner) })
	if k.opts.Routes {
		tasks.Go(func() {
			faults <- keepRoutes(inner, filepath.Join(k.opts.Dir, "routes.kubeconfig"), k.opts.Node, k.log)
		})
	}
	var fault error
	select {
	case <-ctx.Done():
	case fault = <-faults:
	}
	cancel()
	k.stopPods()
	tasks.Wait()
	return fault
}

// startNetwork makes the pod network when the node has its ranges.
func (k *kubelet) startNetwork(ctx context.Context) {
	ranges := k.awaitRanges(ctx)
	k.insist(ctx, "cannot make the pod network", func() error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n, err := podnet.New(filepath.Join(k.opts.Dir, "netns"), ranges, k.opts.PodMTU)
		if err != nil {
			return err
		}
		k.net = n
		close(k.netOnce)
		return nil
	})
	k.log("node is ready for pods", "node", k.opts.Node, "ranges", fmt.Sprint(ranges))
}

// network waits for the pod network.
func (k *kubelet) network(ctx context.Context) (*podnet.Network, error) {
	select {
	case <-k.netOnce:
		return k.net, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("network is not ready: %w", ctx.Err())
	}
}

// insist repeats f until it succeeds or ctx ends.
func (k *kubelet) insist(ctx context.Context, complaint string, f func() error) {
	pause := 100 * time.Millisecond
	for ctx.Err() == nil {
		err := f()
		if err == nil {
			return
		}
		if !errors.Is(err, errNoRange) && ctx.Err() == nil {
			k.log(complaint, "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, time.Second)
	}
}
