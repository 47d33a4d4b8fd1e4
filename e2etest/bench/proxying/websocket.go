package proxying

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
)

// messageSize is that of a message over a WebSocket, and of its answer. To a proxy
// it is bytes.
const messageSize = 64

// WebSockets measures connections that left HTTP, of which some send a message,
// wait for it to come back, and so on, so often in all, and the others are silent.
func WebSockets(name string, silent, busy, messages int) *bench.Rig {
	return kind{name, echoes, speech{}, startEngine, 3, func(ctx context.Context, _ *run, p *proxy) (bench.Metrics, error) {
		spent, memory, err := webSockets(ctx, p, silent, busy, messages/busy)
		if err != nil {
			return nil, err
		}
		logged, err := p.log.take(ctx, silent+busy)
		return bench.Metrics{MetricWork: float64(messages) / spent.Seconds(), MetricShare: memory, MetricLogged: logged}, err
	}}.rig()
}

func webSockets(ctx context.Context, p *proxy, silent, busy, each int) (spent time.Duration, memory float64, err error) {
	request := fmt.Sprintf("GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\n"+key+"\r\n", p.addr)
	var conns []net.Conn
	for range silent + busy {
		conn, _, err := ask(ctx, p.addr, request, http.StatusSwitchingProtocols)
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w: %s", p.Name, err, p.Tail())
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	spent, err = p.spend(func() error {
		var talking errgroup.Group
		for _, conn := range conns[silent:] {
			talking.Go(func() error { return exchange(conn, each) })
		}
		return talking.Wait()
	})
	if err != nil {
		return 0, 0, err
	}
	memory, err = p.Share()
	return spent, memory, err
}

// exchange sends messages and waits for each to come back.
func exchange(conn net.Conn, messages int) error {
	if err := conn.SetDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	buf := make([]byte, messageSize)
	for range messages {
		if _, err := conn.Write(buf); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, buf); err != nil {
			return err
		}
	}
	return nil
}
