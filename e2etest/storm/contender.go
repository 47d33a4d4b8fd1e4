package storm

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
)

// Contender is one of the two controllers, with the proxy that it works behind.
type Contender struct {
	Name  string
	Proxy *Proxy

	world  *World
	config string // path of its kubeconfig
	proc   *proc.Proc
}

// NewContender prepares a controller of that name; its proxy listens, and
// serves until ctx ends.
func (w *World) NewContender(ctx context.Context, name string) (*Contender, error) {
	p, err := NewProxy(w.up)
	if err != nil {
		return nil, err
	}
	var listener net.Listener
	err = w.netns.Do(func() (err error) {
		listener, err = net.Listen("tcp", "127.0.0.1:0")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", name, err)
	}
	c := &Contender{Name: name, Proxy: p, world: w, config: filepath.Join(w.Cluster.Lab.Dir, name+".kubeconfig")}
	text := fmt.Sprintf(kubeconfig, listener.Addr(), serverName, base64.StdEncoding.EncodeToString(p.CA), w.token)
	if err := os.WriteFile(c.config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	go p.Serve(ctx, listener) // when it fails, so does the controller behind it
	return c, nil
}

const kubeconfig = `apiVersion: v1
kind: Config
clusters:
- {name: storm, cluster: {server: "https://%s", tls-server-name: %s, certificate-authority-data: %s}}
users:
- {name: storm, user: {token: %s}}
contexts:
- {name: storm, context: {cluster: storm, user: storm}}
current-context: storm
`

// Start starts the process.
func (c *Contender) Start() error {
	var err error
	c.proc, err = proc.Start(c.world.netns, c.world.Logs(), proc.Spec{Name: c.Name, Argv: []string{
		filepath.Join(c.world.bin, "steelyard"), "controller", "--kubeconfig", c.config, "--pod-name", c.Name,
		"--namespace", system, "--lease-name", lease, "--forwarder", "off",
		"--health-address", "", "--metrics-address", "",
	}})
	return err
}

// Kill ends the process without notice.
func (c *Contender) Kill() error { return c.proc.Kill() }

// Freeze stops the process in the middle of what it does.
func (c *Contender) Freeze() error { return c.proc.Signal(syscall.SIGSTOP) }

// Thaw lets it go on.
func (c *Contender) Thaw() error { return c.proc.Signal(syscall.SIGCONT) }

// Ask asks the process to end.
func (c *Contender) Ask() error { return c.proc.Signal(syscall.SIGTERM) }

// Ended is closed when the process has ended.
func (c *Contender) Ended() <-chan struct{} { return c.proc.Done() }

// Log is the end of its log.
func (c *Contender) Log() string { return c.proc.Tail(12) }
