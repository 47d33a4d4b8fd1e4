package bfd

import (
	"context"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/config/feed"
	"github.com/steelyard-lb/steelyard/config/lines"
)

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
	process := lines.Server{Path: c.path, Name: "the BFD process", Protocol: protocol, Size: maxOrder, Silence: silence}
	said := ""
	lines.Talk(ctx, process, lines.Conversation[Update, []Session]{
		Begin: c.begin, Out: c.news.C(),
		Heard: func(u Update) {
			said = ""
			c.show(u)
		},
		Lost: func(err error) {
			if why := err.Error(); why != said {
				said = why
				c.show(Update{Problem: why})
			}
		},
	})
	return nil
}

// begin has the process told what is wanted.
func (c *Client) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wanted != nil {
		c.news.Put(c.wanted)
	}
}

// show hands on what is known.
func (c *Client) show(u Update) {
	c.metrics.take(u)
	c.updates.Put(u)
}
