package relay

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config/feed"
)

const (
	// noticeTime is for the speaker to send no more clients here.
	noticeTime = 500 * time.Millisecond
	// handshakeTime is for connections that the kernel is about to accept.
	handshakeTime = 300 * time.Millisecond
)

// drain waits for the end of ctx, and ends what there is in order, unless running
// ends first. A socket that stops listening has the kernel reset what it accepted
// and nobody took: so new connections are kept out first, without a word, so that
// clients try again a second later, elsewhere by then; what is under way is waited
// for and taken.
func (e *Engine) drain(ctx, running context.Context) {
	select {
	case <-ctx.Done():
	case <-running.Done():
		return
	}
	end := time.After(e.o.Drain)
	e.draining.Store(true)
	e.tell()
	_ = feed.Sleep(running, noticeTime)
	e.each(running, (*worker).shut)
	_ = feed.Sleep(running, handshakeTime)
	e.each(running, (*worker).unlisten)
	for e.open.Load() > 0 {
		select {
		case <-running.Done():
			return
		case <-end:
			e.each(running, (*worker).abortAll)
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// each has f done by every loop, and waits for that.
func (e *Engine) each(running context.Context, f func(*worker)) {
	var all sync.WaitGroup
	for _, w := range e.workers {
		done := make(chan struct{})
		w.loop.Post(func() {
			defer close(done)
			f(w)
		})
		all.Go(func() {
			select {
			case <-done:
			case <-running.Done():
			}
		})
	}
	all.Wait()
}

// dropSYN is a classic BPF program that a socket's packets pass, from the TCP
// header on: it drops those that open a connection.
var dropSYN = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 13},
	{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: 0x02, Jt: 0, Jf: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0xffffffff},
}

// refuseSYN keeps new connections out of a listening socket.
func refuseSYN(fd int) error {
	prog := unix.SockFprog{Len: uint16(len(dropSYN)), Filter: &dropSYN[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
		return fmt.Errorf("keep connections out: %w", err)
	}
	return nil
}
