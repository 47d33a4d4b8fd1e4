package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/steelyard-lb/steelyard/config/kube"
)

// clientFlags are those of the commands that a person runs against a cluster.
type clientFlags struct {
	kubeconfig, namespace string
	classes               []string
}

func (o *clientFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "file to reach the Kubernetes API with; empty: as kubectl finds it")
	f.StringVarP(&o.namespace, "namespace", "n", "steelyard-system", "namespace of the installation")
	f.StringSliceVar(&o.classes, "class", nil, classUsage)
}

// connect makes the client of the command of that name.
func (o *clientFlags) connect(command string) (*kube.Client, error) {
	client, err := kube.Connect(kube.ConnectOptions{Kubeconfig: userKubeconfig(o.kubeconfig), UserAgent: "steelyard-" + command + "/" + version})
	if err != nil {
		return nil, fmt.Errorf("connect to the Kubernetes API: %w", err)
	}
	return client, nil
}

// userKubeconfig is where kubectl looks, as far as there is a file; else this
// may be a Pod, whose service account will do.
func userKubeconfig(given string) string {
	if given != "" {
		return given
	}
	if env := filepath.SplitList(os.Getenv("KUBECONFIG")); len(env) > 0 {
		return env[0]
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	path := filepath.Join(home, ".kube", "config")
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}
