package failover

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/scenario"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// event is what happens to a node that answers for addresses.
type event struct {
	name string
	set  string // of Services that are asked
	// before is done before anybody asks; nil for nothing.
	before func(ctx context.Context, w *world, node string) error
	// strike makes the event happen and returns when it has; the function that it
	// returns puts things right again, and may be nil.
	strike func(ctx context.Context, w *world, node string) (heal func() error, err error)
	// asks is how many requests there are at least; 0 for as many as it takes
	// until all is quiet. Of so many none should fail.
	asks int
	arp  bool // ask by ARP, too
}

// speakerSet is the DaemonSet of the speakers.
const speakerSet = "daemonset/" + scenario.Release + "-speaker"

func powerOff(ctx context.Context, w *world, node string) (func() error, error) {
	return func() error { return w.cluster.PowerOn(ctx, node) }, w.cluster.PowerOff(node)
}

func cutLink(_ context.Context, w *world, node string) (func() error, error) {
	return func() error { return w.lab.Restore(node, lab.LAN) }, w.lab.Cut(node, lab.LAN)
}

func freeze(_ context.Context, w *world, node string) (func() error, error) {
	return w.cluster.Pause(node)
}

// killSpeaker kills the process; the kubelet starts it again. What puts things
// right is a fresh pod, whose restarts do not wait for those that were before.
func killSpeaker(ctx context.Context, w *world, node string) (func() error, error) {
	pod, err := w.speakerOf(ctx, node)
	if err != nil {
		return nil, err
	}
	heal := func() error {
		_, err := w.cluster.Kubectl("-n", scenario.System, "delete", "pod", pod, "--timeout=60s")
		return err
	}
	return heal, w.cluster.SignalPod(node, scenario.System, pod, speakerContainer, syscall.SIGKILL)
}

const speakerContainer = "speaker"

// speakerOf names the pod of a node's speaker.
func (w *world) speakerOf(ctx context.Context, node string) (string, error) {
	pods, err := w.cluster.Client.CoreV1().Pods(scenario.System).List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node})
	if err != nil {
		return "", fmt.Errorf("pods of %s: %w", node, err)
	}
	for _, pod := range pods.Items {
		if strings.HasPrefix(pod.Name, scenario.Release+"-speaker-") && pod.DeletionTimestamp == nil {
			return pod.Name, nil
		}
	}
	return "", errors.New(node + " has no pod of the speaker")
}

// rollOut replaces all speakers, node by node.
func rollOut(_ context.Context, w *world, _ string) (func() error, error) {
	if _, err := w.cluster.Kubectl("-n", scenario.System, "rollout", "restart", speakerSet); err != nil {
		return nil, err
	}
	_, err := w.cluster.Kubectl("-n", scenario.System, "rollout", "status", speakerSet, "--timeout=120s")
	return nil, err
}

func drain(_ context.Context, w *world, node string) (func() error, error) {
	heal := func() error {
		_, err := w.cluster.Kubectl("uncordon", node)
		return err
	}
	_, err := w.cluster.Kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=90s")
	return heal, err
}

// retire drains a node, and takes it out of the load balancers.
func retire(ctx context.Context, w *world, node string) (func() error, error) {
	uncordon, err := drain(ctx, w, node)
	if err != nil {
		return uncordon, err
	}
	heal := func() error {
		_, err := w.cluster.Kubectl("label", "node", node, corev1.LabelNodeExcludeBalancers+"-")
		return errors.Join(err, uncordon())
	}
	_, err = w.cluster.Kubectl("label", "node", node, corev1.LabelNodeExcludeBalancers+"=")
	return heal, err
}

// rebalance moves what the node answers for to another one.
func rebalance(ctx context.Context, w *world, node string) (func() error, error) {
	addrs, err := w.addrsOf(ctx, chosenEnds)
	if err != nil {
		return nil, err
	}
	records, err := w.claimed(ctx)
	if err != nil {
		return nil, err
	}
	args := []string{"rebalance", "--yes", "--to", w.others(node)[0]}
	for _, addr := range addrs {
		if records[addr].owner == node {
			args = append(args, addr.String())
		}
	}
	_, err = w.cluster.Steelyard(args...)
	return nil, err
}

// loseAndWait is how a node is away before it comes back: dead for everybody,
// its addresses with others.
func loseAndWait(ctx context.Context, w *world, node string) error {
	if err := w.cluster.PowerOff(node); err != nil {
		return err
	}
	time.Sleep(10 * time.Second)
	return nil
}

// comeBack returns when the node is as it was.
func comeBack(ctx context.Context, w *world, node string) (func() error, error) {
	if err := w.cluster.PowerOn(ctx, node); err != nil {
		return nil, err
	}
	return nil, await(ctx, patience, func() error { return w.nodeWhole(ctx, node) })
}
