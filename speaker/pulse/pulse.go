package pulse

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/config/feed"
	"github.com/steelyard-lb/steelyard/config/thread"
	"github.com/steelyard-lb/steelyard/speaker/keys"
)

const (
	openRetry = time.Second          // the node's address may come late at boot
	warnEvery = 10 * time.Minute     // about packets with another key
	byes      = 3                    // of a process that ends, so that one arrives
	leastWait = time.Millisecond     // what falls due within it is done together
	byeGap    = 5 * time.Millisecond // between them
)

// Config says who this node is.
type Config struct {
	Node   string     // name of this node, unique in the cluster
	Addr   netip.Addr // address of this node
	Port   uint16     // the same on all nodes
	Keys   keys.Ring  // the gossip's; keys of our own are derived from them
	Tuning Tuning     // the zero value is [DefaultTuning]
}

// Pulse is this node's part in the heartbeats.
type Pulse struct {
	cfg     Config
	log     log.Logger
	metrics *metrics
	views   *feed.Latest[View]

	mu     sync.Mutex // guards what follows
	keys   [][]byte   // the first signs, each verifies
	mesh   *mesh
	sock   *socket // nil: not open
	last   View
	warned time.Time
}

// New makes a pulse that does nothing until Run. reg may be nil.
func New(cfg Config, logger log.Logger, reg prometheus.Registerer) (*Pulse, error) {
	if cfg.Node == "" || !cfg.Addr.IsValid() || cfg.Port == 0 || len(cfg.Keys) == 0 || slices.Contains(cfg.Keys, "") {
		return nil, errors.New("heartbeats need a node name, an address of this node, a port and the gossip's keys")
	}
	if cfg.Tuning == (Tuning{}) {
		cfg.Tuning = DefaultTuning
	}
	var boot [8]byte
	if _, err := rand.Read(boot[:]); err != nil {
		return nil, fmt.Errorf("draw a number for this process: %w", err)
	}
	cfg.Addr = cfg.Addr.Unmap()
	return &Pulse{
		cfg: cfg, keys: deriveKeys(cfg.Keys), log: logger, metrics: newMetrics(reg),
		views: feed.NewLatest[View](nil),
		mesh:  newMesh(cfg.Tuning, cfg.Node, binary.BigEndian.Uint64(boot[:])|1), // never 0
	}, nil
}

// Views yields what is believed of the others, after each change. It has one
// reader, and what it yields must not be changed.
func (p *Pulse) Views() <-chan View { return p.views.C() }

// Apply makes peers the others; this node may be among them.
func (p *Pulse) Apply(peers []Peer) {
	p.mu.Lock()
	p.mesh.apply(peers, time.Now())
	p.publish()
	p.mu.Unlock()
}

// Rekey makes ring, which is not empty, the keys from now on: the first signs
// what is sent, each verifies what is received.
func (p *Pulse) Rekey(ring keys.Ring) {
	p.mu.Lock()
	p.keys = deriveKeys(ring)
	p.mu.Unlock()
}

// Run exchanges beats until ctx ends, says goodbye, and returns nil. It must
// not be called twice.
func (p *Pulse) Run(ctx context.Context) error {
	if !p.open(ctx) {
		return nil
	}
	done := make(chan struct{})
	go func() { // the thread that is urgent ends with it
		defer close(done)
		thread.Urgent()
		p.loop(ctx)
	}()
	<-done
	p.mu.Lock()
	defer p.mu.Unlock()
	for range byes {
		p.mesh.goodbye()
		p.flush()
		time.Sleep(byeGap)
	}
	p.sock.close()
	p.sock = nil
	return nil
}

// open opens the socket, as often as it takes; false if ctx ended before.
func (p *Pulse) open(ctx context.Context) bool {
	said := ""
	for ctx.Err() == nil {
		sock, err := listen(netip.AddrPortFrom(p.cfg.Addr, p.cfg.Port))
		if err == nil {
			p.mu.Lock()
			p.sock = sock
			p.mu.Unlock()
			return true
		}
		if err.Error() != said {
			said = err.Error()
			level.Warn(p.log).Log("msg", "cannot listen for heartbeats, trying again", "err", err)
		}
		timer := time.NewTimer(openRetry)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	return false
}

// loop takes in packets and does what falls due until ctx ends.
func (p *Pulse) loop(ctx context.Context) {
	buf := make([]byte, maxSize+1)
	due := time.Now()
	for ctx.Err() == nil {
		p.sock.wait(min(time.Until(due), p.cfg.Tuning.Every)) // somebody may have a new peer for us, or end us
		p.mu.Lock()
		woken := time.Now()
		// All that waits is taken in before anybody's silence is judged.
		for n, ok := p.sock.receive(buf); ok; n, ok = p.sock.receive(buf) {
			p.receive(buf[:n], time.Now())
		}
		for to, refused, ok := p.sock.complaint(buf); ok; to, refused, ok = p.sock.complaint(buf) {
			if refused {
				p.mesh.refused(to, time.Now())
			}
		}
		isDue := !woken.Before(due)
		if isDue {
			p.step(woken.Sub(due))
		}
		now := time.Now()
		next := p.mesh.due(now)
		p.mu.Unlock()
		if least := now.Add(leastWait); next.Before(least) {
			next = least
		}
		if isDue || next.Before(due) { // never later: packets must not keep off what is due
			due = next
		}
	}
}

// step does what is due, late by so much.
func (p *Pulse) step(late time.Duration) {
	if late > p.cfg.Tuning.Every/2 {
		p.metrics.stalled.Inc()
	}
	p.mesh.step(time.Now(), late)
	p.flush()
	p.publish()
}

// receive takes in one datagram and answers.
func (p *Pulse) receive(b []byte, now time.Time) {
	pkt, ok := open(b, p.keys)
	if !ok {
		p.metrics.undecrypted.Inc()
		if p.warned.IsZero() || now.Sub(p.warned) > warnEvery {
			p.warned = now
			level.Warn(p.log).Log("msg", "dropping heartbeats that are not from a speaker of this cluster, or made with a key that this node does not have: "+
				"give all speakers the same list of keys (docs/install.md)")
		}
		return
	}
	p.metrics.packets.WithLabelValues("received").Inc()
	p.mesh.receive(pkt, now)
	p.flush()
	p.publish()
}

// flush sends what the mesh has to say.
func (p *Pulse) flush() {
	out, ev := p.mesh.take()
	buf := make([]byte, 0, maxSize)
	for _, d := range out {
		p.sock.send(d.seal(buf[:0], p.keys[0]), d.to)
	}
	p.metrics.count(ev, len(out))
}

// publish hands on the view if it changed, and logs what did.
func (p *Pulse) publish() {
	if !p.mesh.dirty {
		return
	}
	p.mesh.dirty = false
	v := p.mesh.view()
	if v.equal(p.last) {
		return
	}
	for node, state := range v.States {
		switch was := p.last.States[node]; {
		case state == Down && was != Down:
			level.Info(p.log).Log("msg", "no heartbeat of this node any more", "node", node)
		case state == Vacant && was != Vacant:
			level.Info(p.log).Log("msg", "the speaker of this node ended; the node lives", "node", node)
		case state == Up && (was == Down || was == Vacant):
			level.Info(p.log).Log("msg", "heartbeats again", "node", node)
		}
	}
	if v.Cuts != p.last.Cuts {
		level.Warn(p.log).Log("msg", "the others may have found this node dead: it was cut off, or did not run")
	}
	p.last = v
	p.views.Put(v)
	count := map[State]int{}
	for _, s := range p.mesh.peers {
		if s.beats {
			count[s.state]++
		}
	}
	p.metrics.states(count)
}
