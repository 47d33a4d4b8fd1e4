package scenario

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
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

// api stop|start|kill|pause|resume: do that to the API server.
func api(r *run, args []string) error {
	back := map[string]string{"stop": "start", "kill": "start", "pause": "resume", "start": "", "resume": ""}
	if len(args) != 1 {
		return usage("api stop|start|kill|pause|resume")
	}
	undo, ok := back[args[0]]
	if !ok {
		return usage(fmt.Sprintf("api %s: want stop, start, kill, pause or resume", args[0]))
	}
	if err := r.w.Cluster.Control(args[0], "kube-apiserver"); err != nil {
		return err
	}
	if undo != "" {
		r.undo = append(r.undo, func() error { return r.w.Cluster.Revive(r.ctx, undo) })
	}
	return nil
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
