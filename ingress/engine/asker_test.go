package engine

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestAskers: whom a backend is told of, by whatever way he comes; and that answers have
// a date and say whose they are.
func TestAskers(t *testing.T) {
	r := start(t, Options{})
	secure, _ := r.secured(origin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Date"] = nil
		w.WriteHeader(http.StatusOK)
		for _, name := range []string{"X-Real-Ip", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port"} {
			fmt.Fprint(w, r.Header.Get(name), " ")
		}
	}))
	over2 := new(http.Protocols)
	over2.SetHTTP2(true)
	known := new(http.Protocols)
	known.SetUnencryptedHTTP2(true)
	for _, c := range []struct {
		name, scheme, to, host, want string
		protocols                    *http.Protocols
	}{
		{"HTTP/1.1, IPv4", "http", r.addr, "shop.test", "127.0.0.1 http shop.test 80 ", nil},
		{"HTTP/1.1, IPv6", "http", r.Addrs()[1], "shop.test", "::1 http shop.test 80 ", nil},
		{"a port", "http", r.addr, "shop.test:8080", "127.0.0.1 http shop.test:8080 8080 ", nil},
		{"an address of IPv6", "http", r.addr, "[2001:db8::1]", "127.0.0.1 http [2001:db8::1] 80 ", nil},
		{"that and a port", "http", r.addr, "[2001:db8::1]:81", "127.0.0.1 http [2001:db8::1]:81 81 ", nil},
		{"TLS", "https", secure, "shop.test", "127.0.0.1 https shop.test 443 ", nil},
		{"HTTP/2", "https", secure, "shop.test", "127.0.0.1 https shop.test 443 ", over2},
		{"HTTP/2 without TLS", "http", r.addr, "shop.test:8080", "127.0.0.1 http shop.test:8080 8080 ", known},
	} {
		tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Protocols: c.protocols, DisableKeepAlives: true}
		req, err := http.NewRequest("GET", c.scheme+"://"+c.to, nil)
		if err != nil {
			t.Fatal(err)
		}
		for host, want := range map[string]string{c.host: c.want, "nobody.test": "404 Not Found: there is no route for this host and path\n"} {
			req.Host = host
			res, body := exchanged(t, &http.Client{Transport: tr, Timeout: time.Minute}, req)
			if body != want {
				t.Errorf("%s: %q, want %q", c.name, body, want)
			}
			if at, err := http.ParseTime(res.Header.Get("Date")); err != nil || time.Since(at) > time.Minute || len(res.Header["Date"]) != 1 || res.Header.Get("Server") != "steelyard" {
				t.Errorf("%s: fields %v", c.name, res.Header)
			}
		}
	}
}

// TestBothFamilies: an address without a host is of all addresses, and IPv4 ones are
// told as such.
func TestBothFamilies(t *testing.T) {
	r := listening(t, Options{Listen: []string{":0"}}, origin(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("X-Real-Ip")) }))
	_, port, _ := net.SplitHostPort(r.addr)
	for range 8 { // each loop has a listener
		for _, ip := range []string{"127.0.0.1", "::1"} {
			_, body := fetch(t, client(t), "GET", "http://"+net.JoinHostPort(ip, port), nil)
			if strings.TrimSpace(body) != ip {
				t.Errorf("client %s is told of as %q", ip, body)
			}
		}
	}
}
