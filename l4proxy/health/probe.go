package health

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy/health/check"
)

// agent is how checks call themselves.
const agent = "steelyard-health"

// headerMax is how many bytes of an answer are read at most.
const headerMax = 64 << 10

// Probe asks t once whether it is well; nil means yes. It returns when ctx ends,
// which must have a deadline, at the latest.
func Probe(ctx context.Context, t check.Target) error {
	switch t.Check.Kind {
	case config.CheckTCP:
		return probeTCP(ctx, t)
	case config.CheckHTTP, config.CheckHTTPS:
		return probeHTTP(ctx, t)
	case config.CheckGRPC:
		return probeGRPC(ctx, t)
	}
	return fmt.Errorf("there is no check called %q", t.Check.Kind)
}

// dial connects by TCP, with no proxy and no name in between.
func dial(ctx context.Context, t check.Target) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", t.Addr.String())
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		// Closed by a reset: a connection every two seconds to each backend would
		// leave ports of this host in TIME_WAIT (RFC 9293, 3.6.1).
		_ = tcp.SetLinger(0)
	}
	return conn, nil
}

func probeTCP(ctx context.Context, t check.Target) error {
	conn, err := dial(ctx, t)
	if err != nil {
		return err
	}
	return conn.Close()
}

// probeHTTP asks as the kubelet does, but follows no redirect: the backend has
// answered. It is no http.Transport, which writes to the log of the process what a
// backend says unasked.
func probeHTTP(ctx context.Context, t check.Target) error {
	tcp, err := dial(ctx, t)
	if err != nil {
		return err
	}
	defer tcp.Close()
	defer context.AfterFunc(ctx, func() { tcp.Close() })()
	conn := tcp
	if t.Check.Kind == config.CheckHTTPS {
		conn = tls.Client(tcp, &tls.Config{InsecureSkipVerify: true})
	}
	req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://%v%s", t.Addr, t.Check.Path), nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", agent)
	req.Header.Set("Accept", "*/*")
	req.Close = true
	if err := req.Write(conn); err != nil {
		return err
	}
	code, err := readStatus(conn, req)
	switch {
	case err != nil:
		return err
	case code < 200 || code > 399:
		return statusError(fmt.Sprintf("GET %s answers %d", t.Check.Path, code))
	}
	return nil
}

// readStatus reads the answer to req up to the end of its header; what follows
// does not count. Before it there may be interim ones (RFC 9110, 15.2).
func readStatus(conn net.Conn, req *http.Request) (int, error) {
	r := bufio.NewReader(io.LimitReader(conn, headerMax))
	for {
		answer, err := http.ReadResponse(r, req)
		if err != nil {
			return 0, err
		}
		if answer.StatusCode >= 200 || answer.StatusCode == http.StatusSwitchingProtocols {
			return answer.StatusCode, nil
		}
	}
}
