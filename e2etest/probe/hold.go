package probe

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/lab/network"
)

const (
	holdEvery = 100 * time.Millisecond
	holdLimit = 5 * time.Second // for one answer: longer than any retransmission that is meant
)

// Held are open connections with a request on each every 100 ms.
type Held struct {
	stop   chan struct{}
	ended  sync.WaitGroup
	asked  atomic.Int64
	broken atomic.Int64
	first  atomic.Pointer[error] // why the first one broke
}

// Hold opens n connections from within a namespace, to the addresses in turn.
func Hold(ns *network.Netns, addrs []netip.AddrPort, n int) (*Held, error) {
	h := &Held{stop: make(chan struct{})}
	for i := range n {
		var conn net.Conn
		err := ns.Do(func() (err error) {
			conn, err = (&net.Dialer{Timeout: holdLimit}).Dial("tcp", addrs[i%len(addrs)].String())
			return err
		})
		if err != nil {
			h.End()
			return nil, fmt.Errorf("open connection %d of %d: %w", i+1, n, err)
		}
		h.ended.Go(func() {
			time.Sleep(holdEvery * time.Duration(i) / time.Duration(n)) // or all ask at once, and nobody in between
			if err := h.use(conn); err != nil {
				h.broken.Add(1)
				err = fmt.Errorf("at %s: %w", time.Now().Format("15:04:05.000"), err)
				h.first.CompareAndSwap(nil, &err)
			}
		})
	}
	return h, nil
}

// use makes requests on a connection until the end, or until it breaks.
func (h *Held) use(conn net.Conn) error {
	defer conn.Close()
	answers := bufio.NewReader(conn)
	tick := time.NewTicker(holdEvery)
	defer tick.Stop()
	for {
		select {
		case <-h.stop:
			return nil
		case <-tick.C:
		}
		conn.SetDeadline(time.Now().Add(holdLimit))
		if err := again(conn, answers); err != nil {
			return err
		}
		h.asked.Add(1)
	}
}

// again makes a request after which the connection stays open.
func again(conn io.Writer, answers *bufio.Reader) error {
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: probe\r\n\r\n"); err != nil {
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

// End closes the connections and returns how many requests were answered on
// them, how many connections broke, and why the first did.
func (h *Held) End() (answered, broken int, why error) {
	close(h.stop)
	h.ended.Wait()
	if first := h.first.Load(); first != nil {
		why = *first
	}
	return int(h.asked.Load()), int(h.broken.Load()), why
}
