package ingress

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/cert"
	"github.com/steelyard-lb/steelyard/ingress/engine"
)

// ask is a GET of path at host, with what is answered.
func ask(t *testing.T, host, addr, path string) (code int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// While an order is under way its challenges are answered before the routes,
// which go on for all else, HTTP/2 and what is another ACME client's included.
func TestChallengesGoBeforeRoutes(t *testing.T) {
	eachDriver(t, challengesGoBeforeRoutes)
}

func challengesGoBeforeRoutes(t *testing.T, driver engine.Driver) {
	r := run(t, func(o *Options) { o.Driver = driver })
	snap := snapshot(backend(t, "app"), secret(t, "shop.test"))
	order := &config.Order{Key: key("acme-order-1"), Challenges: []config.Challenge{
		{Type: config.ChallengeHTTP, Host: "shop.test", Token: "t0k", Answer: "t0k.print"},
		{Type: config.ChallengeALPN, Host: "shop.test", Token: "t1k", Answer: "t1k.print"},
	}}
	snap.Orders = config.TableOf(map[config.Key]*config.Order{order.Key: order})
	r.send(snap)
	plain, secure := r.Addrs()
	if code, body := ask(t, "shop.test", plain[0], cert.ChallengePath+"t0k"); code != 200 || body != "t0k.print" {
		t.Errorf("the challenge: %d %q", code, body)
	}
	if code, body := ask(t, "shop.test", plain[0], cert.ChallengePath+"of-cert-manager"); code != 200 || body != "app" {
		t.Errorf("another client's challenge: %d %q", code, body)
	}
	if body, name := get(t, "https", secure[0]); body != "app" || name != "shop.test" {
		t.Errorf("https: %q with the certificate of %s", body, name)
	}
	dial := func(protos ...string) *tls.Conn {
		d := &tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: &tls.Config{ServerName: "shop.test", InsecureSkipVerify: true, NextProtos: protos}}
		c, err := d.DialContext(context.Background(), "tcp", secure[0])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c.(*tls.Conn)
	}
	if got := dial("h2", "http/1.1").ConnectionState().NegotiatedProtocol; got != "h2" {
		t.Errorf("a browser speaks %q", got)
	}
	authority := dial(cert.ChallengeProto)
	if got := authority.ConnectionState().NegotiatedProtocol; got != cert.ChallengeProto {
		t.Errorf("the authority speaks %q", got)
	}
	_ = authority.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := authority.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after the handshake: %v, want the end", err)
	}

	done := *snap
	done.Orders = config.Table[config.Key, *config.Order]{}
	r.send(&done)
	if code, body := ask(t, "shop.test", plain[0], cert.ChallengePath+"t0k"); code != 200 || body != "app" {
		t.Errorf("after the order: %d %q", code, body)
	}
}
