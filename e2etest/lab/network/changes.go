package network

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// RouteChanges notes every change that the kernel makes to its routes to one
// prefix, so that one that lasts for a moment only is seen as well.
type RouteChanges struct {
	start time.Time
	done  chan struct{}
	ended sync.WaitGroup

	mu   sync.Mutex
	seen []string
	err  error
}

// WatchRoutes begins to note the changes of routes to prefix.
func (n *Netns) WatchRoutes(prefix netip.Prefix) (*RouteChanges, error) {
	c := &RouteChanges{start: time.Now(), done: make(chan struct{})}
	updates := make(chan netlink.RouteUpdate, 1024)
	err := netlink.RouteSubscribeWithOptions(updates, c.done, netlink.RouteSubscribeOptions{Namespace: &n.handle, ErrorCallback: c.fail})
	if err != nil {
		return nil, fmt.Errorf("%s: watch routes: %w", n.Name, err)
	}
	c.ended.Go(func() {
		for u := range updates {
			if u.Dst != nil && toPrefix(u.Dst) == prefix {
				c.note(u)
			}
		}
	})
	return c, nil
}

func (c *RouteChanges) note(u netlink.RouteUpdate) {
	what := "added"
	if u.Type == unix.RTM_DELROUTE {
		what = "removed"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, fmt.Sprintf("%s via %v after %v", what, gateways(u.Route), time.Since(c.start).Round(time.Millisecond)))
}

// fail notes what keeps changes from being seen, unless that is the end.
func (c *RouteChanges) fail(err error) {
	select {
	case <-c.done:
		return
	default:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

// End ends it and returns the changes, oldest first.
func (c *RouteChanges) End() ([]string, error) {
	close(c.done)
	c.ended.Wait()
	return c.seen, c.err
}
