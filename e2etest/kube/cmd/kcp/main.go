// Command kcp is a Kubernetes cluster in one binary: etcd, kube-apiserver,
// kube-controller-manager, kube-scheduler, kube-proxy and kubectl as they are,
// a launcher that runs them as a control plane, and a lab kubelet.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"

	"github.com/steelyard-lb/steelyard/e2etest/kube/kubelet"
	"github.com/steelyard-lb/steelyard/e2etest/kube/launcher"
)

const usage = `usage: kcp COMMAND [flags]

A cluster:
  up                run a control plane until SIGTERM
  ctl               stop, start, kill, pause or resume a part of it
  node-kubeconfig   write the identity of a node
  kubelet           run a node: its pods are namespaces and processes
  routes            keep routes to the nodes' pods, for the control plane's namespace

The programs themselves, with their own flags:
  etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kube-proxy, kubectl`

// ours are the commands of this module. They return the exit status.
var ours = map[string]func(args []string) int{
	"up":              launcher.Up,
	"ctl":             launcher.Ctl,
	"node-kubeconfig": launcher.NodeKubeconfig,
	"kubelet":         kubelet.Main,
	"routes":          kubelet.RoutesMain,
}

// programs makes the command of a Kubernetes program. Only the wanted one may
// be made: some install signal handlers when they are constructed.
var programs = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllermanager.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kube-proxy":              proxy.NewProxyCommand,
	"kubectl":                 kubectl.NewDefaultKubectlCommand,
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	name := os.Args[1]
	if run, ok := ours[name]; ok {
		os.Exit(run(os.Args[2:]))
	}
	os.Args = os.Args[1:] // the programs look at os.Args themselves
	if name == "etcd" {
		etcdmain.Main(os.Args)
		return
	}
	newCommand, ok := programs[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "kcp: no command %q\n%s\n", name, usage)
		os.Exit(2)
	}
	os.Exit(cli.Run(newCommand()))
}
