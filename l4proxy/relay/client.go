package relay

import (
	"context"
	"fmt"
	"net/netip"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/feed"
	"github.com/steelyard-lb/steelyard/config/lines"
)

// Report is what a speaker knows of its relay.
type Report struct {
	// Problem is why nothing is known: the relay cannot be reached; "": it can.
	Problem string
	Port    uint16 // where it listens; 0: not known, now or ever
	// Serves are the frontends whose connections it relays, as far as this process
	// asked for them; nil while it drains. The map is not changed any more.
	Serves map[netip.AddrPort]bool
}

// Client is an [Engine] in another process, behind a [Server].
type Client struct {
	path    string
	metrics *metrics
	updates *feed.Latest[Report]
	news    *feed.Latest[Config]

	mu     sync.Mutex
	wanted *Config // nil: nothing was applied yet
	status Status
	report Report
}

// NewClient makes a client of the server that listens at path. reg may be nil.
func NewClient(path string, reg prometheus.Registerer) *Client {
	return &Client{path: path, metrics: newMetrics(reg), updates: feed.NewLatest[Report](nil), news: feed.NewLatest[Config](nil)}
}

// Updates yields what is known, when it changes. It has one reader.
func (c *Client) Updates() <-chan Report { return c.updates.C() }

// Apply makes wanted what the relay is to do. Before the first Apply it goes on
// with what it has. The same again costs nothing.
func (c *Client) Apply(wanted Config) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wanted != nil && c.wanted.Digest == wanted.Digest {
		return
	}
	c.wanted = &wanted
	c.news.Put(wanted)
	c.judge(c.report.Problem)
}

// Problems says what of the relay's work does not go well. node names this node.
// Anyone may call it at any time.
func (c *Client) Problems(node string) []config.Problem {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wanted == nil || len(c.wanted.Frontends) == 0 {
		return nil
	}
	p := config.Problem{Object: config.Ref{Kind: config.KindNode, Key: config.Key{Name: node}}, Field: "relay"}
	switch n := c.status.Counts.Ports; {
	case c.report.Problem != "":
		p.Reason, p.Remedy = "RelayUnreachable", "look at the log of the container relay in the speaker's pod"
		p.Message = "addresses of Services with the PROXY protocol are not announced by this node: " + c.report.Problem
	case n > 0:
		p.Reason, p.Remedy = "SourcePortsExhausted", "sysctl -w net.ipv4.tcp_tw_reuse=1, and widen net.ipv4.ip_local_port_range if that is not enough"
		p.Message = fmt.Sprintf("connections of the relay to backends failed for want of a free source port, %d so far", n)
	default:
		return nil
	}
	return []config.Problem{p}
}

// Run talks to the relay until ctx ends. When that cannot be reached, says nothing
// for five seconds or speaks another protocol, a report says so; it is tried again.
func (c *Client) Run(ctx context.Context) error {
	relay := lines.Server{Path: c.path, Name: "the relay", Protocol: protocol, Size: maxStatus, Silence: silence}
	lines.Talk(ctx, relay, lines.Conversation[Status, Config]{Begin: c.begin, Out: c.news.C(), Heard: c.heard, Lost: c.lost})
	return nil
}

// begin has the relay told what is wanted.
func (c *Client) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wanted != nil {
		c.news.Put(*c.wanted)
	}
}

func (c *Client) heard(s Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = s
	c.metrics.take(s.Counts)
	c.judge("")
}

func (c *Client) lost(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.Digest = ""
	c.metrics.lost()
	c.judge(err.Error())
}

// judge reports what is known if that is news. Of a Config that the relay has not
// taken yet nothing is known to be served but what it had before as well.
func (c *Client) judge(problem string) {
	now := Report{Problem: problem, Port: c.status.Port}
	switch {
	case problem != "" || c.status.Draining || c.wanted == nil:
	case c.status.Digest == c.wanted.Digest:
		now.Serves = c.wanted.addrs()
	default:
		now.Serves = both(c.report.Serves, c.wanted.addrs())
	}
	if now.same(c.report) {
		return
	}
	c.report = now
	c.updates.Put(now)
}

func both(a, b map[netip.AddrPort]bool) map[netip.AddrPort]bool {
	out := map[netip.AddrPort]bool{}
	for addr := range a {
		if b[addr] {
			out[addr] = true
		}
	}
	return out
}
