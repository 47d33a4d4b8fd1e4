package proxying

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
)

const (
	idleSize = 1 << 10
	patience = 30 * time.Second // of a client, until it has an answer
)

// Idle measures the memory of a proxy whose clients have had an answer each and keep
// their connections.
func Idle(name string, clients int) *bench.Rig {
	return kind{name, files(idleSize), speech{}, startEngine, 3, func(ctx context.Context, _ *run, p *proxy) (bench.Metrics, error) {
		memory, err := idle(ctx, p, clients)
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %s", p.Name, err, p.Tail())
		}
		logged, err := p.log.take(ctx, clients)
		return bench.Metrics{MetricShare: memory, MetricLogged: logged}, err
	}}.rig()
}

func idle(ctx context.Context, p *proxy, clients int) (memory float64, err error) {
	get := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", Load{Size: idleSize}.path(), p.addr)
	for range clients {
		conn, in, err := ask(ctx, p.addr, get, http.StatusOK)
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		if n, err := io.Copy(io.Discard, in.Body); n != idleSize || err != nil {
			return 0, fmt.Errorf("%d bytes, %w", n, err)
		}
	}
	return p.Share()
}

// ask opens a connection and sends a request. The connection is to be closed by a
// reset, so that no port is kept waiting.
func ask(ctx context.Context, addr, request string, want int) (net.Conn, *http.Response, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	answer, err := talk(conn.(*net.TCPConn), request, want)
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return conn, answer, nil
}

func talk(conn *net.TCPConn, request string, want int) (*http.Response, error) {
	if err := errors.Join(conn.SetLinger(0), conn.SetDeadline(time.Now().Add(patience))); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, request); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(bufio.NewReaderSize(conn, 1024), nil)
	if err == nil && answer.StatusCode != want {
		err = fmt.Errorf("%s, and it should be %d", answer.Status, want)
	}
	return answer, err
}
