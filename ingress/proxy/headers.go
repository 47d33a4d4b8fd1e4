package proxy

import (
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
)

const (
	serverName      = "steelyard"
	requestIDHeader = "X-Request-Id"
)

// rewrite prepares a request for the backend: path, query and Host stay the
// client's; the forwarding headers are ours alone, for a client could write
// anything into them.
func rewrite(pr *httputil.ProxyRequest) {
	out, in := pr.Out, pr.In
	out.URL.Scheme = "http"
	out.URL.User = nil // of an absolute request target: no credentials of ours
	out.URL.RawQuery = in.URL.RawQuery

	pr.SetXForwarded()
	out.Header.Set("X-Forwarded-Port", forwardedPort(in))
	out.Header.Set("X-Real-Ip", clientIP(in))
	if x := exchangeOf(in.Context()); x != nil {
		out.Header.Set(requestIDHeader, x.id)
	}
	out.Header.Del("Proxy") // CGI programs would take it for HTTP_PROXY
	if strings.EqualFold(out.Header.Get("Upgrade"), "h2c") {
		// Over a connection turned HTTP/2, requests would pass us unseen.
		out.Header.Del("Upgrade")
		out.Header.Del("Connection")
		out.Header.Del("Http2-Settings")
	}
}

// forwardedPort is the port that the client addressed.
func forwardedPort(r *http.Request) string {
	if _, port, err := net.SplitHostPort(r.Host); err == nil && port != "" {
		return port
	}
	if r.TLS != nil {
		return "443"
	}
	return "80"
}

// requestID is the client's own if it is short and plain, else a random one.
func requestID(r *http.Request) string {
	if id := r.Header.Get(requestIDHeader); id != "" && len(id) <= 128 && isPlainASCII(id) {
		return id
	}
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails
	return hex.EncodeToString(raw[:])
}

func isPlainASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// nameServer adds a Server header where the backend has none.
func nameServer(res *http.Response) error {
	if res.Header.Get("Server") == "" {
		res.Header.Set("Server", serverName)
	}
	return nil
}
