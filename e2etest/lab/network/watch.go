package network

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// RouteChange is one change of a kernel route that has gateways.
type RouteChange struct {
	Route
	At   time.Time // when it was told
	Gone bool
}

// RouteWatch notes the changes of the main table's routes that have gateways.
type RouteWatch struct {
	stop  chan struct{}
	ended sync.WaitGroup

	mu      sync.Mutex // guards what follows
	changes []RouteChange
	err     error // the first thing that went wrong: changes may be missing
}

// watchBuffer holds what the kernel tells while nobody reads: tens of thousands
// of routes.
const watchBuffer = 32 << 20

// WatchRoutes notes changes from now on, until Close.
func (n *Netns) WatchRoutes() (*RouteWatch, error) {
	w := &RouteWatch{stop: make(chan struct{})}
	updates := make(chan netlink.RouteUpdate, 1024)
	err := netlink.RouteSubscribeWithOptions(updates, w.stop, netlink.RouteSubscribeOptions{
		Namespace: &n.handle, ErrorCallback: w.fail, ReceiveBufferSize: watchBuffer, ReceiveBufferForceSize: true,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: watch routes: %w", n.Name, err)
	}
	w.ended.Go(func() {
		for u := range updates {
			w.note(u, time.Now())
		}
	})
	return w, nil
}

func (w *RouteWatch) note(u netlink.RouteUpdate, now time.Time) {
	via := gateways(u.Route)
	if u.Table != unix.RT_TABLE_MAIN || u.Dst == nil || len(via) == 0 {
		return
	}
	change := RouteChange{Route: Route{toPrefix(u.Dst), via}, At: now, Gone: u.Type == unix.RTM_DELROUTE}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes = append(w.changes, change)
}

func (w *RouteWatch) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

// Changes are those so far, oldest first; an error if some may be missing.
func (w *RouteWatch) Changes() ([]RouteChange, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return nil, fmt.Errorf("watch routes: %w", w.err)
	}
	return w.changes[:len(w.changes):len(w.changes)], nil
}

// Forget forgets the changes so far.
func (w *RouteWatch) Forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes = nil
}

// Close ends the watch; what went wrong meanwhile is its error.
func (w *RouteWatch) Close() error {
	_, err := w.Changes()
	close(w.stop)
	w.ended.Wait()
	return err
}

// ErrNotYet is wrapped while a table is not as it is waited for.
var ErrNotYet = errors.New("not yet")

// Since is when the table had so many of the wanted prefixes for the first time,
// as the changes tell, of which before were there at the beginning.
func Since(changes []RouteChange, wanted func(netip.Prefix) bool, before []netip.Prefix, count int) (time.Time, error) {
	there := map[netip.Prefix]bool{}
	for _, p := range before {
		if wanted(p) {
			there[p] = true
		}
	}
	for _, c := range changes {
		if !wanted(c.Prefix) {
			continue
		}
		if c.Gone {
			delete(there, c.Prefix)
		} else {
			there[c.Prefix] = true
		}
		if len(there) == count {
			return c.At, nil
		}
	}
	return time.Time{}, fmt.Errorf("%w: %d routes of %d", ErrNotYet, len(there), count)
}
