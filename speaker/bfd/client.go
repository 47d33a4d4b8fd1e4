package bfd

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/config/feed"
	"github.com/steelyard-lb/steelyard/config/lines"
)

// redial is the time between two attempts to reach the BFD process.
const redial = 500 * time.Millisecond

// Client is an [Engine] in another process, behind a [Server]. It is used in
// the same way; its end does not end the sessions.
type Client struct {
	path    string
	metrics *metrics
	updates *feed.Latest[Update]
	news    *feed.Latest[[]Session]

	mu     sync.Mutex // guards wanted
	wanted []Session  // nil: nothing was applied yet
}

// NewClient makes a client of the server that listens at path. reg may be nil.
func NewClient(path string, reg prometheus.Registerer) *Client {
	return &Client{path: path, metrics: newMetrics(reg), updates: feed.NewLatest(mergeUpdates), news: feed.NewLatest[[]Session](nil)}
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

// Run talks to the process until ctx ends. When that cannot be reached, says
// nothing for five seconds or speaks another protocol, an update says so; it is
// tried again, and told what is wanted.
func (c *Client) Run(ctx context.Context) error {
	said := ""
	for ctx.Err() == nil {
		err := c.talk(ctx, func() { said = "" })
		if ctx.Err() != nil {
			break
		}
		if why := fmt.Sprint(err); why != said {
			said = why
			c.show(Update{Problem: why})
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

// talk connects, and talks until the connection ends, which is an error; heard
// is called when the process has said what it knows.
func (c *Client) talk(ctx context.Context, heard func()) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", c.path)
	if err != nil {
		return fmt.Errorf("reach the BFD process: %w", err)
	}
	defer func() { _ = conn.Close() }()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	in := lines.NewReader(conn, maxOrder, silence)
	var met greeting
	if err := in.Next(&met); err != nil {
		return fmt.Errorf("listen to the BFD process: %w", err)
	}
	if met.Protocol != protocol {
		return fmt.Errorf("the BFD process is of another version, protocol %d and not %d: replace the pod", met.Protocol, protocol)
	}
	var orders sync.WaitGroup
	defer orders.Wait()
	defer stop() // before the wait
	orders.Go(func() {
		defer stop()
		c.order(ctx, conn)
	})
	for {
		var u Update
		if err := in.Next(&u); err != nil {
			return fmt.Errorf("listen to the BFD process: %w", err)
		}
		heard()
		c.show(u)
	}
}

// order tells the process what is wanted until ctx ends or it reads no more.
func (c *Client) order(ctx context.Context, conn net.Conn) {
	c.mu.Lock()
	if c.wanted != nil {
		c.news.Put(c.wanted)
	}
	c.mu.Unlock()
	_ = lines.Pass(ctx, conn, c.news.C()) // the reader says why
}

// show hands on what is known.
func (c *Client) show(u Update) {
	c.metrics.take(u)
	c.updates.Put(u)
}
