package lines

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/steelyard-lb/steelyard/config/feed"
	"github.com/steelyard-lb/steelyard/config/poll"
)

// again is the time between two attempts to reach a process, or to hear one.
const again = 200 * time.Millisecond

// greeting is what a server says first.
type greeting struct{ Protocol int }

// Serve talks at l to one process after the other until ctx ends, and closes it.
// Each is first told the number of the protocol, by which one of another version
// knows. Of two the one that came last counts: the context of the other ends, its
// connection with it, and talk must return then. The connection is Serve's to close.
func Serve(ctx context.Context, l net.Listener, protocol int, talk func(context.Context, net.Conn)) error {
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	var last sync.WaitGroup
	defer last.Wait()
	end := func() {} // of the process before
	defer func() { end() }()
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return nil
		case poll.Passing(err): // that must not end a process that has other work as well
			_ = feed.Sleep(ctx, again)
			continue
		default:
			return fmt.Errorf("wait for another process: %w", err)
		}
		end()
		last.Wait()
		serving, stop := context.WithCancel(ctx)
		end = stop
		last.Go(func() {
			defer stop()
			defer func() { _ = conn.Close() }()
			defer context.AfterFunc(serving, func() { _ = conn.Close() })()
			if Say(conn, greeting{protocol}) == nil {
				talk(serving, conn)
			}
		})
	}
}
