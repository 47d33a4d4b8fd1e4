package proxy

import (
	"fmt"
	"net"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// listener counts its open connections, those taken over by a WebSocket
// included, which http.Server loses sight of.
type listener struct {
	*net.TCPListener
	secure bool
	open   prometheus.Gauge
}

// conn is a counted connection. It embeds the TCP type and not the interface,
// so that half-closing and the kernel's copying keep working.
type conn struct {
	*net.TCPConn
	closed func()
}

// listen opens all addresses or none.
func listen(opts Options, m *metrics) ([]*listener, error) {
	var all []*listener
	for _, secure := range []bool{false, true} {
		addrs, name := opts.HTTP, "http"
		if secure {
			addrs, name = opts.HTTPS, "https"
		}
		for _, addr := range addrs {
			l, err := net.Listen("tcp", addr)
			if err != nil {
				for _, opened := range all {
					_ = opened.Close()
				}
				return nil, fmt.Errorf("%s listener %s: %w", name, addr, err)
			}
			all = append(all, &listener{l.(*net.TCPListener), secure, m.open.WithLabelValues(name)})
		}
	}
	return all, nil
}

// Accept waits for the next client.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	l.open.Inc()
	return &conn{c, sync.OnceFunc(l.open.Dec)}, nil
}

// Close closes the connection.
func (c *conn) Close() error {
	c.closed()
	return c.TCPConn.Close()
}
