package healthport

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
)

// askLimit bounds a question to another process of this node, and answerLimit
// what is read of its answer, in bytes.
const (
	askLimit    = time.Second
	answerLimit = 64 << 10
)

// loopback is this node itself, by family.
func loopback(f config.Family) string {
	if f == config.IPv6 {
		return "::1"
	}
	return "127.0.0.1"
}

// ask makes one request to this node.
func ask(ctx context.Context, family config.Family, port uint16, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	url := "http://" + net.JoinHostPort(loopback(family), fmt.Sprint(port)) + path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{DisableKeepAlives: true} // with no proxy
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(io.LimitReader(resp.Body, answerLimit))
}

// served tells whether another process of this node answers for the Service.
func served(ctx context.Context, port l4proxy.HealthPort) bool {
	body, err := ask(ctx, port.Family, port.Port, "/")
	var a answer
	return err == nil && json.Unmarshal(body, &a) == nil && a.isFor(port.Service)
}

// proxyLives tells whether a kube-proxy, or what replaces it, says at its own
// health endpoint that it lives, well or not.
func proxyLives(ctx context.Context, port uint16) bool {
	for _, family := range []config.Family{config.IPv4, config.IPv6} {
		if _, err := ask(ctx, family, port, "/healthz"); err == nil {
			return true
		}
	}
	return false
}
