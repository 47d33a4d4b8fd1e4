package fib

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config/feed"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

const (
	// Protocol marks the routes of this package in the kernel (rtm_protocol), as "ip
	// route show proto 83" shows them. No program of iproute2's rt_protos has it.
	Protocol = 83
	// Metric is that of FRR's routes: IPv4 routes that were configured without one go
	// first, what DHCP or Router Advertisements brought comes after.
	Metric = 20

	// lookEvery is the time between two looks whether the kernel still has them: it
	// drops routes without a word when a link goes down.
	lookEvery = 5 * time.Second
	// mostProblems is how many routes are named that the kernel does not take.
	mostProblems = 3
)

// Table holds routes in the main routing table. Apply, Problems and Remove may be
// called from any goroutine while Run runs.
type Table struct {
	log     log.Logger
	handle  *netlink.Handle
	plans   *feed.Latest[plan]
	changed chan struct{}

	mu       sync.Mutex // guards the rest, and the kernel's table
	mine     ways       // written by this process
	problems []string
	removed  bool
}

// plan is what should be.
type plan struct {
	ways []announce.Way
	// settled: what is found beside them is of no use any more.
	settled bool
}

// New makes a table of the network namespace of the calling thread.
func New(logger log.Logger) (*Table, error) {
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink for routes: %w", err)
	}
	return &Table{log: logger, handle: handle, plans: feed.NewLatest[plan](nil), changed: make(chan struct{}, 1), mine: ways{}}, nil
}

// Apply makes list, sorted by prefix, the ways that the kernel is to have. Those
// that an earlier process has left are removed only once settled is true: until
// then the routers may not have said all. The list must not be changed afterwards.
func (t *Table) Apply(list []announce.Way, settled bool) { t.plans.Put(plan{list, settled}) }

// Changed receives a value after Problems changed. It is meant for one reader.
func (t *Table) Changed() <-chan struct{} { return t.changed }

// Problems are the ways that the kernel does not take, and why.
func (t *Table) Problems() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.problems
}

// Run brings the kernel to what was applied until ctx ends. The routes stay then.
func (t *Table) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var last plan
	told := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case p := <-t.plans.C():
			if told && p.equal(last) {
				continue
			}
			last, told = p, true
		case <-tick.C:
			if len(last.ways) == 0 {
				continue
			}
		}
		t.settle(last)
	}
}

func (p plan) equal(o plan) bool {
	return p.settled == o.settled && slices.EqualFunc(p.ways, o.ways, func(a, b announce.Way) bool {
		return a.Equal(b) && slices.Equal(a.Peers, b.Peers)
	})
}

// Remove takes all routes of this package out of the kernel, for good.
func (t *Table) Remove() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.removed = true
	found, err := t.read()
	if err != nil {
		return err
	}
	var errs []error
	for _, way := range found.ours {
		errs = append(errs, t.remove(way))
	}
	return errors.Join(errs...)
}

// settle makes the kernel's table as p has it, as far as it takes it.
func (t *Table) settle(p plan) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.removed {
		return
	}
	found, err := t.read()
	if err != nil {
		t.tell([]error{err})
		return
	}
	var errs []error
	removed := 0
	wanted := waysOf(p.ways)
	for prefix, way := range found.ours {
		_, written := t.mine[prefix]
		if _, stays := wanted[prefix]; !stays && (p.settled || written) {
			errs = append(errs, t.remove(way))
			removed++
		}
	}
	set := 0
	for _, way := range p.ways {
		have, there := found.ours[way.Prefix]
		if there && have.Equal(way) {
			t.mine[way.Prefix] = way
			continue
		}
		if err := t.write(way, there, found.others[way.Prefix]); err != nil {
			errs = append(errs, err)
			continue
		}
		t.mine[way.Prefix] = way
		set++
	}
	if set+removed > 0 {
		level.Info(t.log).Log("msg", "routes of routers in the kernel", "set", set, "removed", removed, "total", len(t.mine))
	}
	t.tell(errs)
}

// tell makes errs the problems.
func (t *Table) tell(errs []error) {
	var problems []string
	for _, err := range errs {
		if err != nil {
			problems = append(problems, err.Error())
		}
	}
	if more := len(problems) - mostProblems; more > 0 {
		problems = append(problems[:mostProblems], fmt.Sprintf("and %d more routes that the kernel does not take", more))
	}
	if slices.Equal(problems, t.problems) {
		return
	}
	t.problems = problems
	for _, p := range problems {
		level.Warn(t.log).Log("msg", "route of a router not in the kernel", "err", p)
	}
	select {
	case t.changed <- struct{}{}:
	default:
	}
}
