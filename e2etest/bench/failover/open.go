package failover

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/lab/network"
)

// MetricBroken counts open connections that broke.
const MetricBroken = "broken"

const (
	openConns = 60
	openEvery = 100 * time.Millisecond
	openLimit = 5 * time.Second // for one answer: longer than any retransmission that is meant
)

// RestartOpen replaces all speakers under connections that stay open.
func (l *Lab) RestartOpen() *bench.Rig {
	return l.rig("l2 restart-open", plannedRounds, func(ctx context.Context, w *world, _ bench.Side, _ int) (bench.Metrics, error) {
		return w.restartUnderOpen(ctx)
	})
}

func (w *world) restartUnderOpen(ctx context.Context) (bench.Metrics, error) {
	if _, err := w.whole(ctx, chosenEnds); err != nil {
		return nil, err
	}
	addrs, err := w.addrsOf(ctx, chosenEnds)
	if err != nil {
		return nil, err
	}
	open, err := holdOpen(w.client.Netns, addrs, openConns)
	if err != nil {
		return nil, err
	}
	time.Sleep(lead)
	_, err = rollOut(ctx, w, "")
	time.Sleep(calm)
	broken, why := open.end()
	if broken > 0 {
		w.env.Say("%d of %d connections broke, the first: %v", broken, openConns, why)
	}
	return bench.Metrics{MetricBroken: float64(broken)}, err
}

// held are open connections with a request on each every 100 ms.
type held struct {
	stop   chan struct{}
	ended  sync.WaitGroup
	broken atomic.Int64
	first  atomic.Pointer[error] // why the first one broke
}

// holdOpen opens n connections from within a namespace, to the addresses in turn.
func holdOpen(ns *network.Netns, addrs []netip.Addr, n int) (*held, error) {
	h := &held{stop: make(chan struct{})}
	for i := range n {
		var conn net.Conn
		err := ns.Do(func() (err error) {
			conn, err = (&net.Dialer{Timeout: openLimit}).Dial("tcp", netip.AddrPortFrom(addrs[i%len(addrs)], port).String())
			return err
		})
		if err != nil {
			h.end()
			return nil, fmt.Errorf("open connection %d of %d: %w", i+1, n, err)
		}
		h.ended.Go(func() {
			if err := h.use(conn); err != nil {
				h.broken.Add(1)
				h.first.CompareAndSwap(nil, &err)
			}
		})
	}
	return h, nil
}

// use makes requests on a connection until the end, or until it breaks.
func (h *held) use(conn net.Conn) error {
	defer conn.Close()
	answers := bufio.NewReader(conn)
	tick := time.NewTicker(openEvery)
	defer tick.Stop()
	for {
		select {
		case <-h.stop:
			return nil
		case <-tick.C:
		}
		conn.SetDeadline(time.Now().Add(openLimit))
		if err := request(conn, answers); err != nil {
			return err
		}
	}
}

// request makes a request after which the connection stays open.
func request(conn io.Writer, answers *bufio.Reader) error {
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: bench\r\n\r\n"); err != nil {
		return err
	}
	answer, err := http.ReadResponse(answers, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK || answer.Close {
		return errors.New("the server ends the connection: " + answer.Status)
	}
	return nil
}

// end closes the connections and returns how many broke, and why the first did.
func (h *held) end() (broken int, why error) {
	close(h.stop)
	h.ended.Wait()
	if first := h.first.Load(); first != nil {
		why = *first
	}
	return int(h.broken.Load()), why
}
