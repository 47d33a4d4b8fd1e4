package kubelet

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/steelyard-lb/steelyard/e2etest/kube/kubelet/box"
)

const (
	initCommand = box.InitCommand
	execCommand = box.ExecCommand
)

// running is one run of a container.
type running struct {
	proc     *process
	spec     box.Spec
	vars     map[string]string
	began    metav1.Time
	log      *logFile
	pumped   chan struct{} // closed when all output is in the log
	lastFile string        // terminationMessagePath on the machine
}

// launch starts the container's process. On failure the state names the reason
// as a kubelet does.
func (c *container) launch(ctx context.Context) (*running, error) {
	img, ok := c.pod.k.images.find(c.spec.Image)
	if !ok {
		message := fmt.Sprintf("no such image in the lab's table: %q", c.spec.Image)
		reason := "ErrImagePull"
		if s := c.snapshot(); s.waiting != nil && strings.Contains(s.waiting.Reason, "Pull") {
			reason = "ImagePullBackOff"
		} else {
			c.warn("Failed", "Failed to pull image %q: %s", c.spec.Image, message)
		}
		c.wait(reason, message)
		return nil, fmt.Errorf("%s", message)
	}
	r := &running{pumped: make(chan struct{}), began: metav1.Now()}
	if err := c.configure(ctx, r, img); err != nil {
		if ctx.Err() == nil {
			c.wait("CreateContainerConfigError", err.Error())
			c.warn("Failed", "Error: %v", err)
		}
		return nil, err
	}
	if s := c.snapshot(); s.runs == 0 {
		c.event("Pulled", "Container image %q already present on machine", c.spec.Image)
	}
	if err := c.spawn(r); err != nil {
		c.failedStart(err)
		return nil, err
	}
	c.event("Created", "Container created")
	c.started(r, img)
	return r, nil
}

// failedStart shows a container whose program could not be executed.
func (c *container) failedStart(err error) {
	c.set(func(s *containerState) {
		now := metav1.Now()
		s.last = &v1.ContainerStateTerminated{
			ExitCode: 128, Reason: "StartError", Message: err.Error(), StartedAt: now, FinishedAt: now,
		}
		s.running, s.terminated, s.ready, s.started = nil, nil, false, false
		s.waiting = &v1.ContainerStateWaiting{Reason: "RunContainerError", Message: err.Error()}
		s.restarts++
	})
	c.warn("Failed", "Error: %v", err)
}

func (c *container) started(r *running, img image) {
	id := make([]byte, 32)
	rand.Read(id)
	r.began = metav1.Now()
	c.mu.Lock()
	c.box = r
	c.mu.Unlock()
	c.set(func(s *containerState) {
		if s.last != nil {
			s.restarts++
		}
		s.runs++
		s.waiting, s.terminated = nil, nil
		s.running = &v1.ContainerStateRunning{StartedAt: r.began}
		s.id, s.imageID = "lab://"+hex.EncodeToString(id), img.ID
	})
	c.event("Started", "Container started")
}

// configure computes everything about a run before it starts.
func (c *container) configure(ctx context.Context, r *running, img image) error {
	pod := c.pod.current()
	security, err := security(pod, &c.spec, img)
	if err != nil {
		return err
	}
	env := environment{pod: pod, facts: c.pod.facts(), nodes: c.pod.k.capacity(), get: c.pod.k.objects.get}
	if r.vars, err = env.build(ctx, &c.spec, c.baseEnv(pod, img, security.UID)); err != nil {
		return err
	}
	argv := img.argv(expandAll(c.spec.Command, r.vars), expandAll(c.spec.Args, r.vars))
	if len(argv) == 0 {
		return fmt.Errorf("no command specified: neither the container nor image %q has one", c.spec.Image)
	}
	r.spec = box.Spec{
		Argv: argv, Env: pairs(r.vars), Dir: c.spec.WorkingDir, Security: security,
		Scratch: c.pod.path("root", c.spec.Name),
		Bring:   append([]string{argv[0]}, append(img.Paths, img.Entrypoint...)...),
	}
	if !pod.Spec.HostNetwork {
		r.spec.Hostname = c.pod.hostname()
	}
	r.spec.Bring = files(r.spec.Bring)
	if err := os.MkdirAll(r.spec.Scratch, 0o700); err != nil {
		return err
	}
	return c.mounts(r)
}

func (c *container) baseEnv(pod *v1.Pod, img image, uid int) map[string]string {
	k := c.pod.k
	vars := map[string]string{
		"PATH":                          "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME":                          "/",
		"HOSTNAME":                      c.pod.hostname(),
		"KUBERNETES_SERVICE_HOST":       k.opts.ServiceHost,
		"KUBERNETES_SERVICE_PORT":       k.opts.ServicePort,
		"KUBERNETES_SERVICE_PORT_HTTPS": k.opts.ServicePort,
	}
	if uid == 0 {
		vars["HOME"] = "/root"
	}
	for _, e := range img.Env {
		if key, value, ok := strings.Cut(e, "="); ok {
			vars[key] = value
		}
	}
	return vars
}

// finishLogs waits until the output of an ended process is written.
func (r *running) finishLogs() {
	select {
	case <-r.pumped:
	case <-time.After(2 * time.Second): // somebody outside holds the pipe
	}
}

// lastWords is the termination message: what the container wrote to its file,
// or the end of its log if it failed and asked for that.
func (r *running) lastWords(spec *v1.Container, code int32) string {
	text, err := os.ReadFile(r.lastFile)
	if err == nil && len(text) > 0 {
		return string(text[:min(len(text), 4096)])
	}
	if code != 0 && spec.TerminationMessagePolicy == v1.TerminationMessageFallbackToLogsOnError {
		return r.log.tail(2048)
	}
	return ""
}
