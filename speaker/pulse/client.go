package pulse

import (
	"context"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/feed"
	"github.com/steelyard-lb/steelyard/config/lines"
	"github.com/steelyard-lb/steelyard/speaker/keys"
)

// byeLimit is for the other process to take leave of the others.
const byeLimit = 300 * time.Millisecond

// Client is a [Pulse] whose beats another process exchanges, behind [Serve].
type Client struct {
	*monitor
	path   string
	orders *feed.Latest[order]

	mu    sync.Mutex
	first order // all that the other process has to know
	fault string
	up    bool   // it is known what it believes
	cuts  uint64 // of the processes before
	last  uint64 // with those of this one
}

// NewClient makes a client of the server that listens at path. reg may be nil.
func NewClient(path string, cfg Config, logger log.Logger, reg prometheus.Registerer) (*Client, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := cfg.self()
	s.Leash = leash
	return &Client{
		monitor: newMonitor(logger, reg), path: path, orders: feed.NewLatest(mergeOrders),
		first: order{Self: &s, Peers: &[]Peer{}, Keys: deriveKeys(cfg.Keys)},
	}, nil
}

// Apply makes peers the others; this node may be among them.
func (c *Client) Apply(peers []Peer) {
	own := append([]Peer{}, peers...) // never nil, which would say: as before
	c.mu.Lock()
	defer c.mu.Unlock()
	c.first.Peers = &own
	c.orders.Put(order{Peers: &own})
}

// Rekey makes ring, which is not empty, the keys from now on: the first signs
// what is sent, each verifies what is received.
func (c *Client) Rekey(ring keys.Ring) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.first.Keys = deriveKeys(ring)
	c.orders.Put(order{Keys: c.first.Keys})
}

// Problems says why there are no heartbeats. node names this node. Anyone may call
// it at any time.
func (c *Client) Problems(node string) []config.Problem {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fault == "" {
		return nil
	}
	return []config.Problem{{
		Object: config.Ref{Kind: config.KindNode, Key: config.Key{Name: node}}, Field: "heartbeats", Reason: "HeartbeatsUnreachable",
		Message: "the death of a node is found by gossip alone, in seconds: " + c.fault,
		Remedy:  "see that the container bfd in the speaker's pod runs, and that nothing else on this node has the port of heartbeats",
	}}
}

// Run has beats exchanged until ctx ends, and goodbye said. While the other process
// cannot be reached there are none, which is logged; it is tried again.
func (c *Client) Run(ctx context.Context) error {
	talking, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() {
		c.orders.Put(order{Bye: true})
		time.AfterFunc(byeLimit, stop)
	})()
	var awake sync.WaitGroup
	defer awake.Wait()
	defer stop() // before the wait
	awake.Go(func() { c.wake(talking) })
	process := lines.Server{Path: c.path, Name: "the process of the heartbeats", Protocol: protocol, Size: maxUpdate, Silence: silence}
	lines.Talk(talking, process, lines.Conversation[Update, order]{
		Begin: c.begin, Out: c.orders.C(), Heard: c.heard,
		Lost: func(err error) {
			if ctx.Err() != nil {
				stop() // goodbye was said
				return
			}
			c.lost(err)
		},
	})
	return nil
}

// wake says now and then that this process is awake.
func (c *Client) wake(ctx context.Context) {
	ticker := time.NewTicker(wordEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.orders.Put(order{})
		}
	}
}

// begin has the other process told all that it has to know.
func (c *Client) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.orders.Put(c.first)
}

// heard takes in what the other process says. Each counts cuts of its own.
func (c *Client) heard(u Update) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault, c.up = u.Problem, u.Problem == ""
	if u.View != nil {
		v := *u.View
		v.Cuts += c.cuts
		u.View, c.last = &v, v.Cuts
	}
	c.take(u)
}

// lost notes that nothing is known any more. The others heard nothing of this node
// meanwhile: to know what they made of it is one cut more.
func (c *Client) lost(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault = err.Error()
	u := Update{Problem: c.fault}
	if c.up {
		c.up, c.cuts = false, c.last+1
		c.last = c.cuts
		u.View = &View{Cuts: c.cuts}
	}
	c.take(u)
}
