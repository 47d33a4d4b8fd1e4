package failover

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/lab/network"
)

const (
	probeEvery = 10 * time.Millisecond
	probeLimit = 200 * time.Millisecond
	// workers are enough that none is waited for if no request is answered.
	workers = int(probeLimit/probeEvery) + 4
)

// prober asks one address every 10 ms, each time on a new connection.
type prober struct {
	Addr  netip.Addr
	stop  chan struct{}
	ended sync.WaitGroup

	mu    sync.Mutex // guards asked
	asked samples
}

// startProber asks from within a namespace until it is stopped.
func startProber(ns *network.Netns, addr netip.AddrPort) *prober {
	p := &prober{Addr: addr.Addr(), stop: make(chan struct{})}
	due := make(chan struct{})
	p.ended.Go(func() {
		defer close(due)
		tick := time.NewTicker(probeEvery)
		defer tick.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-tick.C:
				due <- struct{}{}
			}
		}
	})
	for range workers {
		// A thread of its own, which stays in the namespace.
		p.ended.Go(func() {
			err := ns.Do(func() error {
				for range due {
					p.note(once(addr))
				}
				return nil
			})
			if err != nil { // the namespace is gone
				for range due {
					p.note(sample{time.Now(), time.Now(), err})
				}
			}
		})
	}
	return p
}

func (p *prober) note(s sample) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, s)
}

// peek is what was asked so far.
func (p *prober) peek() samples {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[:len(p.asked):len(p.asked)]
}

// end stops asking, waits for the requests under way and returns all of them.
func (p *prober) end() samples {
	close(p.stop)
	p.ended.Wait()
	return p.peek()
}

// once makes one request on a new connection, all of it within the limit.
func once(addr netip.AddrPort) sample {
	sent := time.Now()
	deadline := sent.Add(probeLimit)
	conn, err := (&net.Dialer{Deadline: deadline}).Dial("tcp", addr.String())
	if err == nil {
		conn.SetDeadline(deadline)
		_, err = exchange(conn)
		conn.Close()
	}
	return sample{sent, time.Now(), err}
}

// exchange sends a request and reads the whole answer, whose length it returns.
// The server closes the connection.
func exchange(conn io.ReadWriter) (int64, error) {
	if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\nHost: bench\r\n\r\n"); err != nil {
		return 0, err
	}
	answer := bufio.NewReader(conn)
	status, err := answer.ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("read the answer: %w", err)
	}
	if !strings.Contains(status, " 200 ") {
		return 0, errors.New(strings.TrimSpace(status))
	}
	return io.Copy(io.Discard, answer)
}
