package ingress

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/engine"
)

func TestSnapshotsAreServed(t *testing.T) { eachDriver(t, snapshotsAreServed) }

func snapshotsAreServed(t *testing.T, driver engine.Driver) {
	r := run(t, func(o *Options) { o.Driver, o.Drain = driver, 500*time.Millisecond })
	r.eventually("routes: waiting for the first snapshot")
	one, two := backend(t, "one"), backend(t, "two")
	r.send(snapshot(one, secret(t, "shop.test")))
	r.eventually("routes: ready")
	plain, secure := r.Addrs()
	for _, addr := range plain { // IPv4 and IPv6
		if body, _ := get(t, "http", addr); body != "one" {
			t.Errorf("%s: %q", addr, body)
		}
	}
	if body, name := get(t, "https", secure[0]); body != "one" || name != "shop.test" {
		t.Errorf("https: %q with the certificate of %s", body, name)
	}

	r.send(snapshot(two, nil)) // another endpoint, and the Secret is gone
	if body, name := get(t, "https", secure[0]); body != "two" || name != "default.steelyard.invalid" {
		t.Errorf("after the change: %q with the certificate of %s", body, name)
	}
	if _, text := r.notes.read(); strings.Count(text, "Secret shop/tls of type kubernetes.io/tls does not exist") != 1 {
		t.Errorf("the problem is not logged once:\n%s", text)
	}

	for of, want := range map[string]float64{"hosts": 1, "routes": 1, "endpoints": 1} {
		if got := testutil.ToFloat64(r.metrics.size.WithLabelValues(of)); got != want {
			t.Errorf("%s: %v, want %v", of, got, want)
		}
	}
	if n := testutil.ToFloat64(r.metrics.swaps); n < 3 {
		t.Errorf("%v swaps, want 3 or 4", n)
	}

	r.stop()
	r.eventually("routes: leaving")
	r.send(snapshot(one, nil)) // while it drains, tables still change
	if body, _ := get(t, "http", plain[0]); body != "one" {
		t.Errorf("while draining: %q", body)
	}
	r.end()
}

func TestBrokenSecretAndDefaultCertificate(t *testing.T) {
	eachDriver(t, brokenSecretAndDefaultCertificate)
}

func brokenSecretAndDefaultCertificate(t *testing.T, driver engine.Driver) {
	r := run(t, func(o *Options) { o.Driver, o.DefaultCertificate = driver, key("tls") })
	good := secret(t, "fallback.test")
	snap := snapshot(backend(t, "x"), good)
	ing, _ := snap.Ingresses.Get(key("ing"))
	ing.TLS = nil
	r.send(snap)
	_, secure := r.Addrs()
	if body, name := get(t, "https", secure[0]); body != "x" || name != "fallback.test" {
		t.Errorf("%q with the certificate of %s, want that of the default Secret", body, name)
	}
	broken := *good
	broken.PrivateKey = []byte("nonsense")
	r.send(snapshot(backend(t, "y"), &broken))
	if body, name := get(t, "https", secure[0]); body != "y" || name != "default.steelyard.invalid" {
		t.Errorf("%q with the certificate of %s, want the self-made one", body, name)
	}
	_, text := r.notes.read()
	for _, object := range []string{`object="Secret shop/tls"`, `object="Ingress shop/ing"`} {
		if !strings.Contains(text, object) {
			t.Errorf("%s is not told:\n%s", object, text)
		}
	}
}

func TestWatchThatEnds(t *testing.T) {
	r := run(t, nil)
	r.send(snapshot(backend(t, "kept"), nil))
	close(r.snaps)
	plain, _ := r.Addrs()
	for range 3 {
		if body, _ := get(t, "http", plain[0]); body != "kept" {
			t.Fatalf("after the watch ended: %q", body)
		}
	}

	snaps := make(chan *config.Snapshot)
	close(snaps)
	s, err := New(Options{Snapshots: snaps, HTTPAddr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "before the first snapshot") {
		t.Errorf("Run without any snapshot: %v", err)
	}
}

func TestEndBeforeTheFirstSnapshot(t *testing.T) { eachDriver(t, endBeforeTheFirstSnapshot) }

func endBeforeTheFirstSnapshot(t *testing.T, driver engine.Driver) {
	r := run(t, func(o *Options) { o.Driver = driver })
	plain, _ := r.Addrs()
	r.end()
	if c, err := net.Dial("tcp", plain[0]); err == nil {
		_ = c.Close()
		t.Error("the listener is still open")
	}
}

func TestAddressInUse(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver engine.Driver) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if _, err := New(Options{Driver: driver, HTTPSAddr: l.Addr().String()}); err == nil || !strings.Contains(err.Error(), "listener "+l.Addr().String()) {
			t.Errorf("error %v does not name the listener", err)
		}
	})
}

func TestUnknownEngine(t *testing.T) {
	if _, err := New(Options{Driver: "steam"}); err == nil || !strings.Contains(err.Error(), `"steam"`) {
		t.Errorf("error %v does not name the engine", err)
	}
}
