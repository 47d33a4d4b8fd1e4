package launcher

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"time"
)

// step is one line of progress on the way to readiness, or the failure.
type step struct {
	text   string
	err    error
	starts []string // programs that may start now
}

// ErrNotReady reports a control plane that did not come up in time.
var ErrNotReady = errors.New("control plane not ready in time")

// milestones of the start, each a GET that must answer 200.
// The controller manager gives up for good when it comes before the API server
// has made the default RBAC roles, so it starts after /readyz.
var milestones = []struct {
	path, text string
	starts     []string
}{
	{"/readyz", "kube-apiserver ready", []string{"kube-controller-manager", "kube-scheduler"}},
	{"/api/v1/namespaces/default/services/kubernetes", "kubernetes Service exists", nil},
	{"/api/v1/namespaces/default/serviceaccounts/default", "first ServiceAccount exists", nil},
	{"/api/v1/namespaces/default/configmaps/kube-root-ca.crt", "CA published to the namespaces", nil},
}

// awaitReady reports each milestone, then closes the channel.
func awaitReady(ctx context.Context, o Options, steps chan<- step) {
	defer close(steps)
	ctx, cancel := context.WithTimeout(ctx, o.ReadyTimeout)
	defer cancel()
	send := func(s step) bool {
		select {
		case steps <- s:
			return true
		case <-ctx.Done():
			return false
		}
	}
	client, err := adminClient(o)
	if err != nil {
		send(step{err: err})
		return
	}
	for _, m := range milestones {
		if err := poll(ctx, client, o.server()+m.path); err != nil {
			failure := step{err: fmt.Errorf("%w: %s: %w", ErrNotReady, m.text, err)}
			select { // ctx has ended, and the loop still listens unless it was stopped
			case steps <- failure:
			case <-time.After(time.Second):
			}
			return
		}
		if !send(step{text: m.text, starts: m.starts}) {
			return
		}
	}
	if o.ReadyFile != "" {
		if err := os.WriteFile(o.ReadyFile, []byte("ready\n"), 0o600); err != nil {
			send(step{err: fmt.Errorf("write the ready file: %w", err)})
			return
		}
	}
	send(step{text: "ready, kubeconfig " + o.dir().kubeconfig("admin")})
}

func adminClient(o Options) (*http.Client, error) {
	d := o.dir()
	ca, err := loadAuthority(d.pki())
	if err != nil {
		return nil, err
	}
	pair, err := ca.issue(kubeconfigUsers[0].id)
	if err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair(pair.cert, pair.key)
	if err != nil {
		return nil, fmt.Errorf("use the admin's certificate: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return &http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}},
		},
	}, nil
}

// poll asks until the answer is 200 or ctx ends; it returns the last reason.
func poll(ctx context.Context, client *http.Client, url string) error {
	for {
		err := get(ctx, client, url)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func get(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return nil
}

func addrs(o Options) []netip.Addr { return []netip.Addr{o.Advertise} }
