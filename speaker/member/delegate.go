package member

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/hashicorp/memberlist"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/feed"
	"github.com/steelyard-lb/steelyard/l4proxy/health/check"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// delegate is what memberlist calls back. It only notes what it hears; the
// goroutine of Run does the rest.
type delegate struct {
	self string
	log  log.Logger
	wake chan struct{}
	look chan struct{} // somebody is missing

	tidings   tidings
	takeovers *feed.Latest[[]announce.Takeover] // heard of others
	records   atomic.Pointer[config.Table[netip.Addr, *config.L2Claim]]
	words     *feed.Latest[[]check.Word] // heard of others
	known     atomic.Pointer[[]check.Word]

	mu    sync.Mutex
	view  view
	phase phase           // of this node
	links []announce.Link // of this node; nil: not known yet
	met   bool            // the others were looked for once

	conflicts map[string]time.Time // two with one name: when it was logged
}

func newDelegate(self string, logger log.Logger, look chan struct{}) *delegate {
	d := &delegate{self: self, log: logger, wake: make(chan struct{}, 1), look: look, view: view{},
		takeovers: feed.NewLatest(addTakeovers), words: feed.NewLatest(addWords)}
	d.tidings.run = rand.Uint64()
	d.tidings.queue = memberlist.TransmitLimitedQueue{NumNodes: d.size, RetransmitMult: passOn}
	d.tidings.records = memberlist.TransmitLimitedQueue{NumNodes: d.size, RetransmitMult: passRecords}
	return d
}

// change runs fn under the lock and wakes Run.
func (d *delegate) change(fn func(now time.Time)) {
	d.mu.Lock()
	fn(time.Now())
	d.mu.Unlock()
	nudge(d.wake)
}

// snapshot is all members, this one included, sorted.
func (d *delegate) snapshot(now time.Time) (all []announce.Member, next time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	others, next := d.view.members(now)
	self := announce.Member{Node: d.self, Alive: true, Leaving: d.phase == leaving || d.phase == gone,
		Restarting: d.phase == restarting, Joining: !d.met, Links: d.links}
	i := 0
	for i < len(others) && others[i].Node < d.self {
		i++
	}
	all = append(all, others[:i]...)
	all = append(all, self)
	return append(all, others[i:]...), next
}

func (d *delegate) up(n *memberlist.Node) {
	if n.Name == d.self {
		return
	}
	addr, _ := netip.AddrFromSlice(n.Addr)
	m := decodeMeta(n.Meta)
	d.change(func(now time.Time) { d.view.up(n.Name, netip.AddrPortFrom(addr.Unmap(), n.Port), m, now) })
}

// NotifyJoin implements memberlist.EventDelegate.
func (d *delegate) NotifyJoin(n *memberlist.Node) { d.up(n) }

// NotifyUpdate implements memberlist.EventDelegate.
func (d *delegate) NotifyUpdate(n *memberlist.Node) { d.up(n) }

// NotifyLeave implements memberlist.EventDelegate.
func (d *delegate) NotifyLeave(n *memberlist.Node) {
	if n.Name != d.self {
		d.change(func(now time.Time) { d.view.down(n.Name, now) })
		nudge(d.look) // if it lives after all, a call settles that at once
	}
}

// conflictEvery is how often a conflict of two members is logged, and
// conflictsKept how many of them are remembered for that.
const (
	conflictEvery = 10 * time.Minute
	conflictsKept = 100
)

// NotifyConflict implements memberlist.ConflictDelegate. It is called with each
// word of the other member, several times a second.
func (d *delegate) NotifyConflict(existing, other *memberlist.Node) {
	d.mu.Lock()
	who, now := existing.Name+" "+other.Address(), time.Now()
	at, said := d.conflicts[who]
	if said = said && now.Sub(at) < conflictEvery; !said {
		if d.conflicts == nil || len(d.conflicts) >= conflictsKept {
			d.conflicts = map[string]time.Time{}
		}
		d.conflicts[who] = now
	}
	d.mu.Unlock()
	if said {
		return
	}
	level.Warn(d.log).Log("msg", "two members have the same node name", "node", existing.Name,
		"addr", existing.Address(), "peer", other.Address())
}

// NodeMeta implements memberlist.Delegate.
func (d *delegate) NodeMeta(limit int) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return metaOf(d.phase, d.links).encode(limit)
}

// NotifyMsg implements memberlist.Delegate.
func (d *delegate) NotifyMsg(text []byte) {
	t, ok := readTiding(text)
	if !ok || t.Node == d.self || !d.tidings.pass(t, slices.Clone(text)) { // text is memberlist's own
		return
	}
	if list := t.takeovers(); len(list) > 0 {
		d.takeovers.Put(list)
	}
	if words := t.words(); len(words) > 0 {
		d.words.Put(words)
	}
}

// GetBroadcasts implements memberlist.Delegate.
func (d *delegate) GetBroadcasts(overhead, limit int) [][]byte {
	return d.tidings.next(overhead, limit)
}

// size is how many members there are.
func (d *delegate) size() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.view) + 1
}
