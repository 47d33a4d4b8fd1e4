package grants

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench/usage"
	"github.com/steelyard-lb/steelyard/e2etest/cluster"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
	"github.com/steelyard-lb/steelyard/e2etest/scenario"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// command is how the controller is started.
type command struct{ argv, env []string }

// command takes arguments and environment from the Deployment of the chart.
func (w *world) command(ctx context.Context) (command, error) {
	var c command
	bin, err := cluster.FindBin()
	if err != nil {
		return c, err
	}
	d, err := w.admin.AppsV1().Deployments(scenario.System).Get(ctx, account, metav1.GetOptions{})
	if err != nil {
		return c, fmt.Errorf("Deployment of the controller: %w", err)
	}
	container := d.Spec.Template.Spec.Containers[0] // the API refuses a Deployment without
	c.argv = append([]string{filepath.Join(bin, "steelyard")}, container.Args...)
	c.argv = append(c.argv, "--kubeconfig="+w.kubeconfig)
	for _, e := range container.Env {
		value := e.Value
		if from := e.ValueFrom; from != nil && from.FieldRef != nil {
			switch from.FieldRef.FieldPath {
			case "metadata.namespace":
				value = scenario.System
			case "metadata.name":
				value = account + "-bench"
			default:
				return c, fmt.Errorf("environment %s of the controller: no pod to take %s from", e.Name, from.FieldRef.FieldPath)
			}
		}
		c.env = append(c.env, e.Name+"="+value)
	}
	return c, nil
}

// controller is the process under test.
type controller struct{ proc *proc.Proc }

// stopPatience is what the controller gets to hand over its Lease.
const stopPatience = 10 * time.Second

func (w *world) startController() (*controller, error) {
	p, err := proc.Start(w.plane.Netns, w.cluster.Lab.Logs(), proc.Spec{
		Name: "controller", Argv: w.controller.argv, Env: w.controller.env,
	})
	if err != nil {
		return nil, err
	}
	return &controller{p}, nil
}

// stop ends the controller the way a rollout does.
func (c *controller) stop() error {
	if c == nil {
		return nil
	}
	return c.proc.Stop(stopPatience)
}

// ended is the error for a controller that ended by itself; nil while it runs.
func (c *controller) ended() error {
	select {
	case <-c.proc.Done():
		return errors.Join(fmt.Errorf("the controller ended:\n%s", c.proc.Tail(5)), c.proc.Err())
	default:
		return nil
	}
}

// rss is the resident memory of the process, in MB.
func (c *controller) rss() (float64, error) { return usage.Memory(c.proc.Pid) }
