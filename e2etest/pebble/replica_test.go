package pebble

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-kit/log"

	"github.com/steelyard-lb/steelyard/controller/acme"
	"github.com/steelyard-lb/steelyard/controller/issuance"
	"github.com/steelyard-lb/steelyard/ingress"
	"github.com/steelyard-lb/steelyard/ingress/engine"
)

// replicaAddrs are where the replicas of the ingress process listen, all at the
// same ports, as a name leads to them.
var replicaAddrs = []string{"127.0.0.1", "127.0.0.2"}

// ports finds two that are free everywhere.
func ports(t *testing.T) (plain, secure int) {
	t.Helper()
	var found []int
	for range 2 {
		l, err := net.Listen("tcp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		found = append(found, l.Addr().(*net.TCPAddr).Port)
	}
	return found[0], found[1]
}

// requests keeps what replicas log of requests.
type requests struct {
	mu   sync.Mutex
	text strings.Builder
}

func (r *requests) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

// count is how many lines have a text in them.
func (r *requests) count(text string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for line := range strings.Lines(r.text.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// serve runs the replicas at those ports, and returns what each logs.
func serve(t *testing.T, c *cluster, plain, secure int) (logs []*requests) {
	t.Helper()
	for _, addr := range replicaAddrs {
		lines := &requests{}
		server, err := ingress.New(ingress.Options{
			Snapshots: c.watch(), AccessLog: engine.AccessLog{Writer: lines}, Grace: time.Second,
			HTTPAddr: net.JoinHostPort(addr, strconv.Itoa(plain)), HTTPSAddr: net.JoinHostPort(addr, strconv.Itoa(secure)),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- server.Run(ctx) }()
		t.Cleanup(func() {
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		logs = append(logs, lines)
	}
	return logs
}

// shown is the certificate that the replica at addr shows for a host, once
// roots are found to stand behind it.
func shown(addr string, secure int, host string, roots *x509.CertPool) (*x509.Certificate, error) {
	d := &tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: &tls.Config{ServerName: host, RootCAs: roots}}
	c, err := d.DialContext(context.Background(), "tcp", net.JoinHostPort(addr, strconv.Itoa(secure)))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

// options are for a quick test.
func options(a *authority) acme.Options {
	return acme.Options{
		Namespace: "steelyard-system", Directory: a.directory(), Roots: a.trust(), Contact: "admin@shop.test",
		Settle: 200 * time.Millisecond, Limits: issuance.Limits{Retry: 10 * time.Second, PerHour: 1000, Repeats: 1000},
	}
}

// lead runs an issuer as leader until ctx ends, stop is called, or the test ends.
func lead(t *testing.T, ctx context.Context, c *cluster, opts acme.Options) (stop func()) {
	t.Helper()
	issuer, err := acme.New(opts, c, log.NewNopLogger(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	snaps := c.watch()
	go func() { done <- issuer.Run(ctx, snaps) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}
