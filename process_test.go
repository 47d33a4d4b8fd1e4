package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config/daemon"
)

// listen takes an address of this host for as long as the test runs.
func listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// diary notes what happens, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.lines)
}

func TestHelpersOutliveTheDrain(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var d diary
	helping := make(chan struct{})
	main := func(ctx context.Context) error {
		<-helping
		cancel()
		<-ctx.Done()
		d.note("told to stop")
		time.Sleep(50 * time.Millisecond) // a helper that is stopped too early is heard of here
		d.note("drained")
		return nil
	}
	helper := func(ctx context.Context) error {
		close(helping)
		<-ctx.Done()
		d.note("helper stopped")
		return nil
	}
	if err := serveUntilDrained(ctx, main, helper); err != nil {
		t.Fatal(err)
	}
	if got, want := d.all(), []string{"told to stop", "drained", "helper stopped"}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
}

func TestAHelpersFailureEndsAll(t *testing.T) {
	failure := errors.New("port taken")
	ended := make(chan struct{}, 2)
	wait := func(ctx context.Context) error {
		<-ctx.Done()
		ended <- struct{}{}
		return nil
	}
	err := serveUntilDrained(t.Context(), wait, wait, func(context.Context) error { return failure })
	if !errors.Is(err, failure) || len(ended) != 2 {
		t.Errorf("err %v, %d tasks ended", err, len(ended))
	}
}

func TestTheEndOfMainEndsTheHelpers(t *testing.T) {
	failure := errors.New("lease lost")
	for _, want := range []error{nil, failure} {
		stopped := false
		err := serveUntilDrained(t.Context(), func(context.Context) error { return want }, func(ctx context.Context) error {
			<-ctx.Done()
			stopped = true
			return nil
		})
		if !errors.Is(err, want) || !stopped {
			t.Errorf("err %v, want %v; helper stopped: %v", err, want, stopped)
		}
	}
}

// certificate writes a new pair to dir and returns its leaf as it is served.
func certificate(t *testing.T, dir string) []byte {
	t.Helper()
	pair, err := daemon.SelfSigned("metrics.example.com")
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "tls.crt"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})))
	write(t, filepath.Join(dir, "tls.key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	return pair.Certificate[0]
}

func TestMetricsCertificateIsRenewedWithoutARestart(t *testing.T) {
	dir := t.TempDir()
	if _, err := metricsTLS(dir); err == nil || exitCode(err) != exitUsage || !strings.Contains(err.Error(), filepath.Join(dir, "tls.crt")) {
		t.Errorf("without a certificate: %v", err)
	}
	old := certificate(t, dir)
	conf, err := metricsTLS(dir)
	if err != nil {
		t.Fatal(err)
	}
	served := func() []byte {
		t.Helper()
		server, client := net.Pipe()
		go func() {
			_ = tls.Server(server, conf).Handshake()
			_ = server.Close()
		}()
		c := tls.Client(client, &tls.Config{InsecureSkipVerify: true}) // what is served is what is asked
		defer c.Close()
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		return c.ConnectionState().PeerCertificates[0].Raw
	}
	if !slices.Equal(served(), old) {
		t.Error("another certificate than the one in the directory")
	}
	renewed := certificate(t, dir)
	if !slices.Equal(served(), renewed) {
		t.Error("the renewed certificate is not served")
	}
	if conf, err := metricsTLS(""); err != nil || len(conf.Certificates) != 1 {
		t.Errorf("self-made: %v", err)
	}
}

// TestProcessesEndInOrder runs each process without an API server that
// answers: it is alive, not ready, says for what it waits, and ends when told.
func TestProcessesEndInOrder(t *testing.T) {
	alone(t)
	key := write(t, t.TempDir()+"/key", "secret")
	_, gossipPort, _ := net.SplitHostPort(freeAddr(t))
	for part, args := range map[string][]string{
		"snapshot": {"controller", "--ingress-service=steelyard-system/ingress"},
		"routes":   {"ingress", "--http-address=127.0.0.1:0", "--https-address=127.0.0.1:0", "--drain=10ms"},
		"decision": {"speaker", "--forwarder=off", "--node-name=n1", "--gossip-address=127.0.0.1", "--gossip-port=" + gossipPort, "--gossip-key-file=" + key},
	} {
		t.Run(args[0], func(t *testing.T) {
			health := freeAddr(t)
			args = append(args, "--kubeconfig="+kubeconfig(t), "--log-level=none",
				"--health-address="+health, "--metrics-address=127.0.0.1:0", "--metrics-tls")
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := runCommand(ctx, args...)
				done <- err
			}()
			if code, text := get(t, "http://"+health+"/healthz", done); code != 200 {
				t.Errorf("healthz: %d %s", code, text)
			}
			if code, text := get(t, "http://"+health+"/readyz", done); code != 503 || !strings.Contains(text, part+": ") {
				t.Errorf("readyz: %d %q; want 503 and the part %s", code, text, part)
			}
			stop()
			select {
			case err := <-done:
				if err != nil {
					t.Errorf("ended with %v", err)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("does not end")
			}
		})
	}
}

// get asks until somebody answers.
func get(t *testing.T, url string, done <-chan error) (code int, text string) {
	t.Helper()
	for range 1000 {
		select {
		case err := <-done:
			t.Fatalf("ended early: %v", err)
		default:
		}
		res, err := http.Get(url)
		if err != nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		defer res.Body.Close()
		var b [512]byte
		n, _ := res.Body.Read(b[:])
		return res.StatusCode, string(b[:n])
	}
	t.Fatal("nobody answers at " + url)
	return 0, ""
}
