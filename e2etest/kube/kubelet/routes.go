package kubelet

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"github.com/steelyard-lb/steelyard/e2etest/kube/kubelet/podnet"
)

// RoutesMain is the command "kcp routes": it keeps routes to the pods of all
// nodes in the network namespace that it runs in. The control plane's needs
// them to answer pods that ask the API, a router's may. It returns the exit status.
func RoutesMain(args []string) int {
	fs := flag.NewFlagSet("kcp routes", flag.ContinueOnError)
	dir := fs.String("dir", "", "directory of the cluster")
	die := fs.Bool("die-with-parent", false, "be killed when the parent process dies")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	if *dir == "" || fs.NArg() != 0 {
		fmt.Fprintln(os.Stderr, "usage: kcp routes --dir DIR [--die-with-parent]")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	var err error
	if *die {
		err = dieWithParent()
	}
	if err == nil {
		err = keepRoutes(ctx, filepath.Join(*dir, "kube-proxy.kubeconfig"), "", newLogger("routes"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "kcp:", err)
		return 1
	}
	return 0
}

// keepRoutes follows the nodes and keeps the routes to the pods of all but self.
func keepRoutes(ctx context.Context, kubeconfig, self string, log logger) error {
	client, err := connect(kubeconfig)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	lister := factory.Core().V1().Nodes().Lister()
	informer := factory.Core().V1().Nodes().Informer()
	changed := make(chan struct{}, 1)
	touch := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { touch() }, UpdateFunc: func(any, any) { touch() }, DeleteFunc: func(any) { touch() },
	})
	go informer.Run(ctx.Done())
	again := time.NewTicker(2 * time.Second) // a link that was down has lost its routes
	defer again.Stop()
	last := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-again.C:
		}
		if !informer.HasSynced() {
			continue
		}
		nodes, err := lister.List(everything)
		if err == nil {
			err = podnet.SyncRoutes(routesOf(self, nodes))
		}
		if text := fmt.Sprint(err); text != last && err != nil {
			log("cannot set the routes to other nodes' pods", "err", err)
		}
		last = fmt.Sprint(err)
	}
}
