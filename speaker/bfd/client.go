package bfd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/steelyard-lb/steelyard/config/feed"
)

// redial is the time between two attempts to reach the BFD process.
const redial = 500 * time.Millisecond

// Client is an [Engine] in another process, behind a [Server]. It is used in
// the same way; its end does not end the sessions.
type Client struct {
	path    string
	updates *feed.Latest[Update]
	news    *feed.Latest[[]Session]

	mu     sync.Mutex // guards wanted
	wanted []Session  // nil: nothing was applied yet
}

// NewClient makes a client of the server that listens at path.
func NewClient(path string) *Client {
	return &Client{path: path, updates: feed.NewLatest(mergeUpdates), news: feed.NewLatest[[]Session](nil)}
}

// Updates yields what is known of the sessions. It has one reader.
func (c *Client) Updates() <-chan Update { return c.updates.C() }

// Apply makes sessions those that there should be: see [Engine.Apply]. Before
// the first Apply those that the process has stay as they are.
func (c *Client) Apply(sessions []Session) {
	own := slices.Clone(sessions)
	if own == nil {
		own = []Session{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanted = own
	c.news.Put(own)
}

// Run talks to the process until ctx ends. When that cannot be reached it says
// so in an update, and tries again; when it comes back it is told what is wanted.
func (c *Client) Run(ctx context.Context) error {
	said := ""
	for ctx.Err() == nil {
		err := c.talk(ctx, func() { said = "" })
		if ctx.Err() != nil {
			break
		}
		if why := fmt.Sprint(err); why != said {
			said = why
			c.updates.Put(Update{Problem: why})
		}
		pause := time.NewTimer(redial)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
	return nil
}

// talk connects, and talks until the connection ends, which is an error.
func (c *Client) talk(ctx context.Context, connected func()) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", c.path)
	if err != nil {
		return fmt.Errorf("reach the BFD process: %w", err)
	}
	connected()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	c.mu.Lock()
	if c.wanted != nil {
		c.news.Put(c.wanted)
	}
	c.mu.Unlock()
	var orders sync.WaitGroup
	defer orders.Wait()
	defer stop() // before the wait
	orders.Go(func() {
		defer stop()
		_ = tell(ctx, conn, c.news.C())
	})
	err = lines(conn, c.updates.Put)
	return fmt.Errorf("the BFD process has gone: %w", errors.Join(err, net.ErrClosed))
}
