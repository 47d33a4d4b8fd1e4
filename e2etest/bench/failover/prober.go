package failover

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/lab/network"
)

const (
	probeEvery = 10 * time.Millisecond
	probeLimit = 200 * time.Millisecond
	// probePriority is below that of who watches for stalls of the machine.
	probePriority = 1
)

// prober asks one address every 10 ms, each time on a new connection. It measures
// who answers and not itself: its threads go before all others and wait in the
// kernel, so that none is late on a busy machine.
type prober struct {
	Addr  netip.Addr
	limit time.Duration // for one request
	stop  chan struct{}
	ended sync.WaitGroup

	mu    sync.Mutex // guards asked
	asked samples
}

// startProber asks from within a namespace until it is stopped.
func startProber(ns *network.Netns, addr netip.AddrPort, limit time.Duration) *prober {
	p := &prober{Addr: addr.Addr(), limit: limit, stop: make(chan struct{})}
	begin := time.Now()
	for i := range p.workers() {
		first := begin.Add(time.Duration(i+1) * probeEvery)
		// A thread of its own, which stays in the namespace.
		p.ended.Go(func() {
			err := ns.Do(func() error {
				if err := bench.Urgent(probePriority); err != nil {
					return err
				}
				p.work(first, func() sample { return once(addr, limit) })
				return nil
			})
			if err != nil { // the namespace is gone, or it may not be urgent
				p.work(first, func() sample { return sample{time.Now(), time.Now(), err} })
			}
		})
	}
	return p
}

// workers are enough that none is waited for if no request is answered.
func (p *prober) workers() int { return int(p.limit/probeEvery) + 4 }

// work asks whenever it is the worker's turn.
func (p *prober) work(turn time.Time, ask func() sample) {
	for {
		sleepUntil(turn)
		select {
		case <-p.stop:
			return
		default:
			p.note(ask())
		}
		if turn = turn.Add(time.Duration(p.workers()) * probeEvery); turn.Before(time.Now()) {
			turn = time.Now() // what was missed is not made up for
		}
	}
}

// sleepUntil waits in the kernel.
func sleepUntil(t time.Time) {
	for left := time.Until(t); left > 0; left = time.Until(t) {
		pause := unix.NsecToTimespec(int64(left))
		_ = unix.Nanosleep(&pause, nil) // a signal ends it early
	}
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
func once(addr netip.AddrPort, limit time.Duration) sample {
	sent := time.Now()
	conn, err := dial(addr, sent.Add(limit))
	if err == nil {
		_, err = exchange(conn)
		conn.close()
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
