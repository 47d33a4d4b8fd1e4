package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/lab/network"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
	"github.com/steelyard-lb/steelyard/e2etest/lab/sandbox"
)

// Where the API server listens, where the slow way to it begins, and the mark
// of packets that have been on it.
const (
	apiPort  = 6443
	slowPort = 16443
	slowMark = 0x51
)

// slowRules lead every connection to the API server over the slow way, those of
// the control plane's own host too, and reset the ones that stand already, so
// that their clients make new ones. The server's own connections to itself, by
// ::1, are spared: a reset there fails the request of the client it works for.
const slowRules = `table inet slowapi {
	chain arriving { type nat hook prerouting priority -100; tcp dport %[1]d redirect to :%[2]d; }
	chain leaving { type nat hook output priority -100; ip6 daddr ::1 return; tcp dport %[1]d meta mark != %[3]d redirect to :%[2]d; }
	chain old_arriving { type filter hook input priority 0; iifname != "lo" tcp dport %[1]d reject with tcp reset; }
	chain old_leaving { type filter hook output priority 0; ip6 daddr ::1 return; tcp dport %[1]d meta mark != %[3]d reject with tcp reset; }
}`

// Slow makes the API server slow: whatever is sent to it arrives so much later,
// each request included. It lasts until the function that is returned is called.
func (c *Cluster) Slow(delay time.Duration) (end func() error, err error) {
	host, err := c.Lab.Host(planeName)
	if err != nil {
		return nil, err
	}
	way := &slowWay{ns: host.Netns, delay: delay}
	if err := host.Netns.Do(func() (err error) {
		way.listener, err = net.Listen("tcp", fmt.Sprintf(":%d", slowPort))
		return err
	}); err != nil {
		return nil, fmt.Errorf("slow way to the API server: %w", err)
	}
	go way.serve()
	if _, err := proc.Output(host.Netns, nil, "nft", fmt.Sprintf(slowRules, apiPort, slowPort, slowMark)); err != nil {
		return nil, errors.Join(fmt.Errorf("slow way to the API server: %w", err), way.listener.Close())
	}
	return sync.OnceValue(func() error {
		_, err := proc.Output(host.Netns, nil, "nft", "delete", "table", "inet", "slowapi")
		return errors.Join(err, way.close())
	}), nil
}

// slowWay relays connections to the API server, what clients send with a delay.
type slowWay struct {
	ns       *network.Netns
	delay    time.Duration
	listener net.Listener

	mu    sync.Mutex // guards conns
	conns []net.Conn
}

func (w *slowWay) serve() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			server, err := w.dial()
			if err != nil {
				client.Close() // as a server does that is not there
				return
			}
			w.mu.Lock()
			w.conns = append(w.conns, client, server)
			w.mu.Unlock()
			late, slow := io.Pipe()
			go copyLate(slow, client, w.delay)
			sandbox.Join(lateConn{client, late}, server)
		}()
	}
}

func (w *slowWay) dial() (conn net.Conn, err error) {
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		if e := raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_MARK, slowMark) }); e != nil {
			return e
		}
		return err
	}}
	err = w.ns.Do(func() (err error) {
		conn, err = dialer.DialContext(context.Background(), "tcp", fmt.Sprintf("127.0.0.1:%d", apiPort))
		return err
	})
	return conn, err
}

// close ends the relay and every connection over it: clients make new ones.
func (w *slowWay) close() error {
	err := w.listener.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, conn := range w.conns {
		conn.Close() // closed already is as good
	}
	return err
}

// lateConn is a connection that is read elsewhere.
type lateConn struct {
	net.Conn
	late *io.PipeReader
}

func (c lateConn) Read(p []byte) (int, error) { return c.late.Read(p) }

// Close also ends the copying to the pipe.
func (c lateConn) Close() error { return errors.Join(c.late.Close(), c.Conn.Close()) }

// piece is what was read at once, and when it may be passed on.
type piece struct {
	data []byte
	due  time.Time
	err  error
}

// inFlight bounds what is on the way: more is not read before the first arrived.
const inFlight = 4096

// copyLate passes on what it reads, each piece so much later; the end of the
// data arrives as late as the data.
func copyLate(to *io.PipeWriter, from io.Reader, delay time.Duration) {
	way := make(chan piece, inFlight)
	go func() {
		for {
			buf := make([]byte, 16<<10)
			n, err := from.Read(buf)
			way <- piece{buf[:n], time.Now().Add(delay), err}
			if err != nil {
				return
			}
		}
	}()
	for p := range way {
		time.Sleep(time.Until(p.due))
		if len(p.data) > 0 {
			to.Write(p.data) // nobody reads any more: the end comes soon
		}
		if p.err != nil {
			to.CloseWithError(p.err)
			return
		}
	}
}
