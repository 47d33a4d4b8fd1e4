package scenario

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/cluster"
	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
	"github.com/steelyard-lb/steelyard/e2etest/probe"
)

const (
	directoryPort  = 14000 // of Pebble's directory
	managementPort = 15000 // where it tells its root
	nameServerPort = 5353  // of the lab, on the control plane's host
)

// authority start HOST NAME: Pebble, a certificate authority that speaks ACME, on
// a host that pods reach, as https://NAME:14000/dir. Who signed the directory's
// certificate is in ConfigMap NAME of the product's namespace; expect get trusts
// what it issues by NAME. It asks challenges at ports 80 and 443 of the names of
// the outside world.
func authority(r *run, args []string) error {
	if len(args) != 3 || args[0] != "start" || r.outside["authority-"+args[1]] != nil {
		return usage("authority start HOST NAME, once for each host")
	}
	host, name := args[1], args[2]
	h, err := r.w.Lab.Host(host)
	if err != nil {
		return err
	}
	plane, err := r.w.Lab.Host("cp")
	if err != nil {
		return err
	}
	settings, err := r.authoritySettings(name)
	if err != nil {
		return err
	}
	bin, err := cluster.FindBin()
	if err != nil {
		return err
	}
	resolver := netip.AddrPortFrom(plane.Addrs(lab.LAN)[0], nameServerPort)
	started, err := proc.Start(h.Netns, r.w.Lab.Logs(), proc.Spec{Name: "authority-" + host,
		Argv: []string{filepath.Join(bin, "pebble"), "-config", settings, "-strict", "-dnsserver", resolver.String()},
		Env:  []string{"PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=20"}})
	if err != nil {
		return err
	}
	r.outside["authority-"+host] = started
	r.w.Cluster.Outside.Set(name, h.Addrs(lab.LAN)[0])
	r.undo = append(r.undo, func() error { r.w.Cluster.Outside.Set(name); return nil })
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		roots, err := authorityRoots(r.ctx, h.Netns.Do)
		if err == nil {
			r.certs[name] = &probe.Certificate{Roots: roots}
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("the authority does not tell its root: %w", err)
		}
	}
}

// authoritySettings writes Pebble's configuration and the directory's own certificate.
func (r *run) authoritySettings(name string) (path string, err error) {
	own, err := probe.NewCertificate(name)
	if err != nil {
		return "", err
	}
	at := func(file string) string { return filepath.Join(r.dir, name+"-"+file) }
	settings, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": fmt.Sprintf(":%d", directoryPort), "managementListenAddress": fmt.Sprintf(":%d", managementPort),
		"certificate": at("tls.crt"), "privateKey": at("tls.key"), "httpPort": 80, "tlsPort": 443, "keyAlgorithm": "ecdsa",
		"retryAfter": map[string]int{"authz": 1, "order": 1},
	}})
	if err != nil {
		return "", err
	}
	for file, text := range map[string][]byte{"tls.crt": own.Cert, "tls.key": own.Key, "settings.json": settings} {
		if err := os.WriteFile(at(file), text, 0o600); err != nil {
			return "", err
		}
	}
	if _, err := r.w.Cluster.Kubectl("-n", r.vars["SYSTEM"], "create", "configmap", name, "--from-file=ca.crt="+at("tls.crt")); err != nil {
		return "", err
	}
	r.undo = append(r.undo, func() error {
		_, err := r.w.Cluster.Kubectl("-n", r.vars["SYSTEM"], "delete", "configmap", name)
		return err
	})
	return at("settings.json"), nil
}

// authorityRoots asks Pebble, in the network that in leads to, who signs what it issues.
func authorityRoots(ctx context.Context, in func(func() error) error) (*x509.CertPool, error) {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // its own word is what is asked for
		DialContext: func(ctx context.Context, network, addr string) (c net.Conn, err error) {
			err = in(func() error {
				c, err = new(net.Dialer).DialContext(ctx, network, addr)
				return err
			})
			return c, err
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d/roots/0", managementPort), nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("no certificate, but %s %q", res.Status, text)
	}
	return roots, nil
}
