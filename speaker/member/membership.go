package member

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/hashicorp/memberlist"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/steelyard-lb/steelyard/config/feed"
	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/keys"
)

const (
	joinEvery  = time.Second     // while a known peer is missing
	joinAtMost = 4               // peers tried in one round
	openRetry  = time.Second     // the node's address may come late at boot
	tellWithin = 2 * time.Second // default time to tell others about a change of ours
)

// Membership is this node's part in the group of speakers.
type Membership struct {
	cfg     Config
	log     log.Logger
	metrics *metrics
	d       *delegate
	logs    *bridge
	members *feed.Latest[[]announce.Member]
	peers   atomic.Pointer[[]netip.AddrPort]
	joinNow chan struct{}
	tell    chan struct{} // what we say of ourselves has changed

	keyMu sync.Mutex // guards keys
	keys  *keyring

	mu   sync.Mutex // guards list: a call to it and its end
	list *memberlist.Memberlist
}

// New makes a member that does nothing until Run. reg may be nil. The error
// names what the configuration lacks.
func New(cfg Config, logger log.Logger, reg prometheus.Registerer) (*Membership, error) {
	if cfg.BindPort == 0 {
		cfg.BindPort = DefaultPort
	}
	cfg.BindAddr, cfg.Tuning = cfg.BindAddr.Unmap(), cfg.Tuning.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	ring, err := newKeyring(cfg.Keys)
	if err != nil {
		return nil, fmt.Errorf("membership: %w", err)
	}
	m := &Membership{cfg: cfg, keys: ring, log: logger, members: feed.NewLatest[[]announce.Member](nil),
		joinNow: make(chan struct{}, 1), tell: make(chan struct{}, 1)}
	m.d = newDelegate(cfg.Node, logger, m.joinNow)
	m.metrics = newMetrics(reg, m.health)
	m.logs = &bridge{log: logger, undecrypted: m.metrics.undecrypted, isPeer: m.isPeer, warned: map[string]time.Time{}}
	m.peers.Store(new([]netip.AddrPort)) // nil: not told yet
	return m, nil
}

// Members yields all known members, this one included, sorted by name: at
// first when Run starts, then after each change. A slow reader gets the
// newest. It has one reader, and what it yields must not be changed.
func (m *Membership) Members() <-chan []announce.Member { return m.members.C() }

// Join makes peers the addresses at which members are looked for, from now on
// and whenever one is missing. This node's own may be among them. Until all
// were called once this node counts as joining; without peers it is alone.
func (m *Membership) Join(peers []netip.AddrPort) {
	own := append([]netip.AddrPort{}, peers...) // never nil
	for i, p := range own {
		own[i] = netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	m.peers.Store(&own)
	nudge(m.joinNow)
}

// Apply makes links what the others know of this node's interfaces. It does
// not wait until they heard.
func (m *Membership) Apply(links []announce.Link) {
	m.d.mu.Lock()
	same := m.d.links != nil && reflect.DeepEqual(m.d.links, links)
	m.d.links = links
	m.d.mu.Unlock()
	if !same {
		nudge(m.tell)
		nudge(m.d.wake)
	}
}

// Rekey makes ring, which is not empty, the keys from now on: what is sent is
// encrypted by the first, and what is received opened by any.
func (m *Membership) Rekey(ring keys.Ring) {
	m.keyMu.Lock()
	defer m.keyMu.Unlock()
	if err := m.keys.apply(ring); err != nil { // memberlist refuses no key of 32 bytes
		level.Error(m.log).Log("msg", "keys of gossip not changed as they should be", "err", err)
	}
}

// Run takes part until ctx ends, without saying goodbye, and returns nil. It
// must not be called twice.
//
// Until Join this node is in its own view only. A process that knows nothing
// of the cluster yet, because the API server is away, can announce nothing; if
// the others met it they would leave it the addresses of its former life.
func (m *Membership) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { m.publish(ctx) })
	if !m.told(ctx) || !m.open(ctx) {
		return nil
	}
	defer m.close()
	wg.Go(func() { m.tellOthers(ctx) })
	m.join(ctx)
	return nil
}

// told waits for the first Join; false if ctx ended before.
func (m *Membership) told(ctx context.Context) bool {
	for *m.peers.Load() == nil {
		select {
		case <-ctx.Done():
			return false
		case <-m.joinNow:
		}
	}
	return true
}

// open starts memberlist, as often as it takes; false if ctx ended before.
func (m *Membership) open(ctx context.Context) bool {
	said := ""
	for ctx.Err() == nil {
		list, err := memberlist.Create(m.cfg.library(m.d, m.keys.lib, m.logs.logger()))
		if err == nil {
			m.mu.Lock()
			m.list = list
			m.mu.Unlock()
			return true
		}
		if err.Error() != said {
			said = err.Error()
			level.Warn(m.log).Log("msg", "cannot listen for members, trying again",
				"addr", netip.AddrPortFrom(m.cfg.BindAddr, m.cfg.BindPort), "err", err)
		}
		_ = feed.Sleep(ctx, openRetry)
	}
	return false
}

func (m *Membership) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.list.Shutdown(); err != nil {
		level.Warn(m.log).Log("msg", "closing membership", "err", err)
	}
	m.list = nil
}

// join looks for missing peers until ctx ends. The first round goes through
// all of them: after it this node knows the others, or is alone.
func (m *Membership) join(ctx context.Context) {
	for met := false; ctx.Err() == nil; {
		peers := *m.peers.Load()
		switch {
		case met:
			m.look(ctx, m.missing(peers), joinAtMost)
		case peers != nil:
			m.look(ctx, m.missing(peers), len(peers))
			met = true
			m.d.change(func(time.Time) { m.d.met = true })
		}
		wait := time.NewTimer(joinEvery + rand.N(joinEvery/4)) // nodes must not all try at once
		select {
		case <-ctx.Done():
		case <-m.joinNow:
		case <-wait.C:
		}
		wait.Stop()
	}
}

// missing are those of peers that no living member is at, in random order.
func (m *Membership) missing(peers []netip.AddrPort) []netip.AddrPort {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	out := m.d.view.missing(peers, netip.AddrPortFrom(m.cfg.BindAddr, m.cfg.BindPort))
	rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// look calls at most limit of peers, some at a time. One answer brings all its
// members, and those need no call any more.
func (m *Membership) look(ctx context.Context, peers []netip.AddrPort, limit int) {
	var calls errgroup.Group
	calls.SetLimit(joinAtMost)
	for _, p := range peers[:min(len(peers), limit)] {
		calls.Go(func() error {
			if ctx.Err() != nil || len(m.missing([]netip.AddrPort{p})) == 0 {
				return nil
			}
			if _, err := m.list.Join([]string{p.String()}); err != nil && ctx.Err() == nil {
				m.metrics.joinFailures.Inc()
				level.Debug(m.log).Log("msg", "no member found", "addr", p, "err", err)
			}
			return nil
		})
	}
	_ = calls.Wait() // calls report no error
}

// publish hands on each new view and logs what changed.
func (m *Membership) publish(ctx context.Context) {
	var last []announce.Member
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		now := time.Now()
		all, next := m.d.snapshot(now)
		if !equalMembers(all, last) {
			m.report(last, all)
			m.members.Put(all)
			last = all
		}
		wait := time.Hour
		if !next.IsZero() {
			wait = max(next.Sub(now), time.Millisecond)
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-m.d.wake:
		case <-timer.C:
		}
	}
}

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
