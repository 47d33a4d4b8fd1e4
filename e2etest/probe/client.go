package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/lab/network"
)

// Request is one HTTP request as a client on some host makes it.
type Request struct {
	URL     string
	Connect netip.Addr     // connect here whatever the URL's host is; zero for the URL's host
	Host    string         // Host header, "" for the URL's
	Roots   *x509.CertPool // trusted for TLS, nil for none: any certificate is taken
	Timeout time.Duration  // 0 means one second
}

// Answer is what came back.
type Answer struct {
	Status int
	Body   string
	Took   time.Duration
}

// Get makes one request on a fresh connection, from within a namespace.
func Get(ctx context.Context, ns *network.Netns, r Request) (Answer, error) {
	timeout := r.Timeout
	if timeout == 0 {
		timeout = time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL, nil)
	if err != nil {
		return Answer{}, err
	}
	if r.Host != "" {
		req.Host = r.Host
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return dial(ctx, ns, network, redirect(addr, r.Connect))
		},
		TLSClientConfig: &tls.Config{RootCAs: r.Roots, InsecureSkipVerify: r.Roots == nil},
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	start := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return Answer{Took: time.Since(start)}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return Answer{Status: resp.StatusCode, Body: string(body), Took: time.Since(start)}, err
}

// redirect replaces the host of host:port when there is another to connect to.
func redirect(addr string, to netip.Addr) string {
	if !to.IsValid() {
		return addr
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return net.JoinHostPort(to.String(), port)
}

// dial connects from within a namespace. The address must be literal: names
// would be resolved with the machine's own resolver.
func dial(ctx context.Context, ns *network.Netns, network, addr string) (conn net.Conn, err error) {
	err = ns.Do(func() (err error) {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, addr)
		return err
	})
	return conn, err
}

// Connect opens a TCP connection and closes it again.
func Connect(ctx context.Context, ns *network.Netns, addr string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := dial(ctx, ns, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// UDP sends a datagram and returns the answer.
func UDP(ctx context.Context, ns *network.Netns, addr, text string, timeout time.Duration) (string, error) {
	conn, err := dial(ctx, ns, "udp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(timeout))
	if _, err := io.WriteString(conn, text); err != nil {
		return "", fmt.Errorf("send to %s: %w", addr, err)
	}
	buf := make([]byte, 64<<10)
	n, err := conn.Read(buf)
	if err != nil {
		return "", fmt.Errorf("no answer from %s: %w", addr, err)
	}
	return string(buf[:n]), nil
}
