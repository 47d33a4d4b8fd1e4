package scenario

import (
	"strconv"
	"strings"
	"syscall"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// crash TARGET: kill -9. freeze TARGET: SIGSTOP. thaw TARGET: SIGCONT. A target
// is pod/NAME or pod/NAMESPACE/NAME, either with :CONTAINER, or NODE/kubelet,
// NODE/kube-proxy or ROUTER/DAEMON.
func crash(r *run, args []string) error { return r.signal(args, syscall.SIGKILL) }

func freeze(r *run, args []string) error {
	if err := r.signal(args, syscall.SIGSTOP); err != nil {
		return err
	}
	r.undo = append(r.undo, func() error {
		r.signal(args, syscall.SIGCONT) // gone or thawed already is as good
		return nil
	})
	return nil
}

func thaw(r *run, args []string) error { return r.signal(args, syscall.SIGCONT) }

func (r *run) signal(args []string, sig syscall.Signal) error {
	if len(args) != 1 {
		return usage("crash|freeze|thaw pod/[NAMESPACE/]NAME[:CONTAINER] | NODE/kubelet | NODE/kube-proxy | ROUTER/DAEMON")
	}
	if !strings.HasPrefix(args[0], "pod/") {
		node, program, _ := strings.Cut(args[0], "/")
		if router, err := r.w.Lab.Router(node); err == nil {
			return router.Signal(program, sig)
		}
		return r.w.Cluster.SignalNode(node, program, sig)
	}
	pod, container, _ := strings.Cut(strings.TrimPrefix(args[0], "pod/"), ":")
	ns, name, found := strings.Cut(pod, "/")
	if !found {
		ns, name = r.ns, pod
	}
	node, err := r.w.Cluster.PodNode(r.ctx, ns, name)
	if err != nil {
		return err
	}
	return r.w.Cluster.SignalPod(node, ns, name, container, sig)
}

// poweroff NODE: cut the power. The end of the scenario switches it on again.
func powerOff(r *run, args []string) error {
	if len(args) != 1 {
		return usage("poweroff NODE")
	}
	if err := r.w.Cluster.PowerOff(args[0]); err != nil {
		return err
	}
	r.undo = append(r.undo, func() error {
		if r.w.Cluster.PoweredOn(args[0]) {
			return nil
		}
		return r.w.Cluster.PowerOn(r.ctx, args[0])
	})
	return nil
}

// poweron NODE: switch it on again; returns when the node is Ready.
func powerOn(r *run, args []string) error {
	if len(args) != 1 {
		return usage("poweron NODE")
	}
	return r.w.Cluster.PowerOn(r.ctx, args[0])
}

// forget NODE: delete the Node while its machine runs on. A kubelet registers
// when it starts: switching the machine off and on brings the Node back. The end
// of the scenario does so if need be.
func forget(r *run, args []string) error {
	if len(args) != 1 {
		return usage("forget NODE")
	}
	name := args[0]
	r.undo = append(r.undo, func() error {
		if _, err := r.w.Cluster.Client.CoreV1().Nodes().Get(r.ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return err
		}
		if r.w.Cluster.PoweredOn(name) {
			if err := r.w.Cluster.PowerOff(name); err != nil {
				return err
			}
		}
		return r.w.Cluster.PowerOn(r.ctx, name)
	})
	return r.w.Cluster.Client.CoreV1().Nodes().Delete(r.ctx, name, metav1.DeleteOptions{})
}

// cut HOST [LAN]: pull the host's cable to a LAN (lan, fabric), or all of them.
func cut(r *run, args []string) error {
	host, bridge, err := cable(args)
	if err != nil {
		return err
	}
	if err := r.w.Lab.Cut(host, bridge); err != nil {
		return err
	}
	r.undo = append(r.undo, func() error { return r.w.Lab.Restore(host, bridge) })
	return nil
}

// restore HOST [LAN]: plug in what cut pulled.
func restore(r *run, args []string) error {
	host, bridge, err := cable(args)
	if err != nil {
		return err
	}
	return r.w.Lab.Restore(host, bridge)
}

func cable(args []string) (host, bridge string, err error) {
	if len(args) < 1 || len(args) > 2 {
		return "", "", usage("cut|restore HOST [LAN]")
	}
	return args[0], append(args, "")[1], nil
}

// loss HOST LAN PERCENT%: lose frames on a cable, both ways; 0% ends it.
func loss(r *run, args []string) error {
	if len(args) != 3 {
		return usage("loss HOST LAN PERCENT%")
	}
	percent, err := strconv.Atoi(strings.TrimSuffix(args[2], "%"))
	if err != nil {
		return usage(err.Error())
	}
	r.undo = append(r.undo, func() error { return r.w.Lab.Loss(args[0], args[1], 0) })
	return r.w.Lab.Loss(args[0], args[1], percent)
}

// proxy on|off NODE...: switch kube-proxy.
func proxy(r *run, args []string) error {
	if len(args) < 2 || (args[0] != "on" && args[0] != "off") {
		return usage("proxy on|off NODE...")
	}
	for _, node := range args[1:] {
		if args[0] == "on" {
			if err := r.w.Cluster.StartProxy(node); err != nil {
				return err
			}
			continue
		}
		if err := r.w.Cluster.StopProxy(node); err != nil {
			return err
		}
		r.undo = append(r.undo, func() error {
			r.w.Cluster.StartProxy(node) // on already is as good
			return nil
		})
	}
	return nil
}
