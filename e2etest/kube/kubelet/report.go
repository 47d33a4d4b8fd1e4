package kubelet

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes/scheme"
	typedv1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
)

var everything = labels.Everything()

// logger writes one line: a message, then keys and values in turn.
type logger func(msg string, pairs ...any)

// newLogger writes logfmt to standard error.
func newLogger(node string) logger {
	return func(msg string, pairs ...any) {
		var b strings.Builder
		fmt.Fprintf(&b, "ts=%s node=%s msg=%q", time.Now().UTC().Format("15:04:05.000"), node, msg)
		for i := 0; i+1 < len(pairs); i += 2 {
			fmt.Fprintf(&b, " %v=%q", pairs[i], fmt.Sprint(pairs[i+1]))
		}
		fmt.Fprintln(os.Stderr, b.String())
	}
}

// recorder writes events with the node's identity; the library counts
// repetitions instead of writing them anew.
func (k *kubelet) recorder(ctx context.Context) record.EventRecorder {
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&typedv1.EventSinkImpl{Interface: k.client.CoreV1().Events("")})
	return broadcaster.NewRecorder(scheme.Scheme, v1.EventSource{Component: "kubelet", Host: k.opts.Node})
}

// event reports about a pod, or about one of its containers by its field path.
func (k *kubelet) event(pod *v1.Pod, path, kind, reason, format string, args ...any) {
	if k.ctx.Err() != nil {
		return
	}
	ref := &v1.ObjectReference{
		APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID,
		ResourceVersion: pod.ResourceVersion, FieldPath: path,
	}
	k.events.Eventf(ref, kind, reason, format, args...)
}

// ContainerProcess is a running container as the state socket shows it.
type ContainerProcess struct {
	Namespace   string `json:"namespace"`
	Pod         string `json:"pod"`
	UID         string `json:"uid"`
	Container   string `json:"container"`
	PID         int    `json:"pid"`   // of the container's first process, in the kubelet's PID namespace
	NetNS       string `json:"netns"` // path of the pod's network namespace; empty for the node's
	HostNetwork bool   `json:"hostNetwork"`
	Log         string `json:"log"` // file of the output
}

// serveState answers the line "pids" on DIR/kubelet.sock with a JSON array of
// ContainerProcess.
func (k *kubelet) serveState(ctx context.Context) error {
	path := filepath.Join(k.opts.Dir, "kubelet.sock")
	os.Remove(path)
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("open the state socket: %w", err)
	}
	go func() {
		<-ctx.Done()
		l.Close()
	}()
	for {
		conn, err := l.Accept()
		if err != nil {
			return ctx.Err()
		}
		go k.converse(conn)
	}
}

func (k *kubelet) converse(conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	line := make([]byte, 64)
	n, err := conn.Read(line)
	if err != nil {
		return
	}
	if command := strings.TrimSpace(string(line[:n])); command != "pids" {
		fmt.Fprintf(conn, "error: unknown command %q, there is \"pids\"\n", command)
		return
	}
	json.NewEncoder(conn).Encode(k.processes())
}

func (k *kubelet) processes() []ContainerProcess {
	out := []ContainerProcess{}
	for _, r := range k.list() {
		pod := r.current()
		for _, c := range r.all() {
			run := c.process()
			if run == nil {
				continue
			}
			out = append(out, ContainerProcess{
				Namespace: pod.Namespace, Pod: pod.Name, UID: string(pod.UID), Container: c.spec.Name,
				PID: run.proc.pid, NetNS: r.netns(), HostNetwork: pod.Spec.HostNetwork, Log: run.log.path,
			})
		}
	}
	return out
}
