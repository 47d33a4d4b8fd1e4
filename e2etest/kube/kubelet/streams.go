package kubelet

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

var streamProtocols = []string{
	remotecommand.StreamProtocolV4Name, remotecommand.StreamProtocolV3Name,
	remotecommand.StreamProtocolV2Name, remotecommand.StreamProtocolV1Name,
}

func (k *kubelet) serveExec(w http.ResponseWriter, req *http.Request) {
	c := k.target(w, req)
	if c == nil {
		return
	}
	opts, err := remotecommand.NewOptions(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	remotecommand.ServeExec(w, req, executor{c}, req.PathValue("pod"), "", c.spec.Name, req.URL.Query()["command"],
		opts, streamIdle, remotecommand.DefaultStreamCreationTimeout, streamProtocols)
}

// executor runs commands for the streaming library.
type executor struct{ c *container }

func (e executor) ExecInContainer(ctx context.Context, _, _, _ string, argv []string, in io.Reader, out, errOut io.WriteCloser,
	tty bool, resize <-chan remotecommand.TerminalSize, _ time.Duration) error {
	r := e.c.process()
	if r == nil {
		return fmt.Errorf("container %q is not running", e.c.spec.Name)
	}
	s := session{argv: argv, tty: tty, resize: resize}
	// Interfaces that hold a nil pointer are not nil: take over real streams only.
	if in != nil {
		s.stdin = in
	}
	if out != nil {
		s.stdout = out
	}
	if errOut != nil {
		s.stderr = errOut
	}
	code, err := e.c.exec(ctx, r, s)
	if err != nil {
		return err
	}
	if code != 0 {
		return utilexec.CodeExitError{Err: fmt.Errorf("exit status %d", code), Code: code}
	}
	return nil
}

func (k *kubelet) serveAttach(w http.ResponseWriter, req *http.Request) {
	c := k.target(w, req)
	if c == nil {
		return
	}
	opts, err := remotecommand.NewOptions(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	remotecommand.ServeAttach(w, req, attacher{c}, req.PathValue("pod"), "", c.spec.Name,
		opts, streamIdle, remotecommand.DefaultStreamCreationTimeout, streamProtocols)
}

// attacher shows the output of a container from now on. Containers of the lab
// have no standard input.
type attacher struct{ c *container }

func (a attacher) AttachContainer(ctx context.Context, _, _, _ string, _ io.Reader, out, _ io.WriteCloser,
	_ bool, _ <-chan remotecommand.TerminalSize) error {
	r := a.c.process()
	if r == nil {
		return fmt.Errorf("container %q is not running", a.c.spec.Name)
	}
	ended := func() bool { return ctx.Err() != nil || a.c.process() != r }
	return copyLog(out, r.log.path, logOptions{follow: true, tail: 0}, ended)
}

func (k *kubelet) serveForward(w http.ResponseWriter, req *http.Request) {
	r := k.find(req.PathValue("ns"), req.PathValue("pod"))
	if r == nil {
		http.Error(w, "no such pod on this node", http.StatusNotFound)
		return
	}
	opts, err := portforward.NewV4Options(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	portforward.ServePortForward(w, req, forwarder{r}, req.PathValue("pod"), "", opts, streamIdle,
		remotecommand.DefaultStreamCreationTimeout, []string{portforward.ProtocolV1Name})
}

// forwarder connects to a port inside the pod, on its loopback as a kubelet does.
type forwarder struct{ r *podRun }

func (f forwarder) PortForward(ctx context.Context, _, _ string, port int32, stream io.ReadWriteCloser) error {
	conn, err := dialInside(ctx, f.r.netns(), port)
	if err != nil {
		return err
	}
	defer conn.Close()
	back := make(chan struct{})
	go func() {
		io.Copy(stream, conn)
		close(back)
	}()
	io.Copy(conn, stream)
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.CloseWrite()
	}
	<-back
	return nil
}
