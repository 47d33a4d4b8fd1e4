package layer2

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/config/host"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// DefaultDetection is how old the heartbeat may be, unless told otherwise: less
// than the 0.6 s that the members need at least to find a node dead, so that
// one that thaws is silent before anybody else can have taken over.
const DefaultDetection = 500 * time.Millisecond

// retryEvery is how often what failed (a socket, a group) is tried again.
const retryEvery = time.Second

// Options tune a [Responder]. The zero value is ready to use.
type Options struct {
	// Detection is the least time others take to find this node dead. A
	// heartbeat older than that ends all answers. 0 is [DefaultDetection].
	Detection time.Duration
}

// Responder answers ARP and Neighbor Discovery for claimed addresses.
type Responder struct {
	log     log.Logger
	metrics *metrics
	start   time.Time
	beats   heartbeat
	claims  atomic.Pointer[claimSet]
	wake    chan struct{} // claims were changed

	// Of Run's goroutine:
	ports    map[linkKey]*port
	schedule *schedule
	fault    string // last fault logged
}

// New makes a responder. reg may be nil.
func New(logger log.Logger, reg prometheus.Registerer, o Options) *Responder {
	if o.Detection <= 0 {
		o.Detection = DefaultDetection
	}
	r := &Responder{
		log: logger, metrics: newMetrics(reg), start: time.Now(), wake: make(chan struct{}, 1),
		ports: map[linkKey]*port{}, schedule: newSchedule(),
	}
	r.beats.limit = o.Detection
	r.claims.Store(&claimSet{})
	return r
}

// now is the monotonic time since the responder was made, never 0.
func (r *Responder) now() time.Duration { return time.Since(r.start) + 1 }

// Apply makes claims those that this node answers for, on their links as far
// as state shows them up, and counts as a heartbeat. What is no longer claimed
// is silent when Apply returns; what is new is answered and announced soon
// after, when Run has fitted the sockets. Apply belongs to one goroutine.
func (r *Responder) Apply(claims []announce.Claim, state host.State) {
	set := claimsOn(claims, state)
	r.Beat()
	r.claims.Store(&set)
	r.metrics.addresses.Set(float64(len(claims)))
	select {
	case r.wake <- struct{}{}:
	default: // Run has yet to look; it will see the newest
	}
}

// Beat tells that the last decision still stands: that whoever decides is
// awake and knows the members. Without it all answers end after the detection
// time. After a longer gap they stay off for another detection time, in which
// the caller hears what happened meanwhile.
func (r *Responder) Beat() { r.beats.beat(r.now()) }

// Run answers until ctx ends, then closes everything and returns nil. It
// returns an error if the process may not open packet sockets; all else is
// logged and tried again. It must not be called twice.
func (r *Responder) Run(ctx context.Context) error {
	defer r.close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var synced *claimSet
	var retryAt time.Duration
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		case <-timer.C:
		}
		claims, now := r.claims.Load(), r.now()
		if claims != synced || retryAt != 0 && now >= retryAt {
			err := r.sync(*claims, now)
			if errors.Is(err, os.ErrPermission) {
				return fmt.Errorf("layer 2 needs the capability NET_RAW: %w", err)
			}
			r.report(err)
			synced, retryAt = claims, 0
			if err != nil {
				retryAt = now + retryEvery
			}
		}
		r.announce(r.now())
		timer.Reset(r.schedule.wait(r.now(), retryEvery))
	}
}

// sync makes ports and schedule fit claims.
func (r *Responder) sync(claims claimSet, now time.Duration) error {
	for key, p := range r.ports {
		if _, ok := claims[key]; !ok {
			p.close()
			delete(r.ports, key)
			level.Info(r.log).Log("msg", "answering no more", "link", key.name)
		}
	}
	r.schedule.set(claims, now)
	var errs []error
	for key, addrs := range claims {
		p, ok := r.ports[key]
		if !ok {
			p = &port{r: r, key: key}
			r.ports[key] = p
			level.Info(r.log).Log("msg", "answering", "link", key.name, "addrs", len(addrs))
		}
		fresh, err := p.set(byFamily(addrs))
		if fresh {
			r.schedule.restart(key, now)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// announce sends what is due, unless the heartbeat is old: the address may be
// another node's by now.
func (r *Responder) announce(now time.Duration) {
	targets := r.schedule.next(now)
	claims := *r.claims.Load()
	for _, t := range targets {
		p, ok := r.ports[t.link]
		if !ok || !claims.owns(t.link, t.addr) || !r.beats.fresh(r.now()) {
			continue
		}
		if err := p.announce(t.addr); err != nil {
			r.metrics.errors.WithLabelValues("announce").Inc()
			level.Debug(r.log).Log("msg", "announcing failed", "link", t.link.name, "addr", t.addr, "err", err)
		}
	}
}

// report logs a fault when it changes.
func (r *Responder) report(err error) {
	text := ""
	if err != nil {
		text = err.Error()
		r.metrics.errors.WithLabelValues("open").Inc()
	}
	if text == r.fault {
		return
	}
	r.fault = text
	if err != nil {
		level.Warn(r.log).Log("msg", "cannot answer everywhere, trying again", "err", err)
		return
	}
	level.Info(r.log).Log("msg", "answering everywhere again")
}

func (r *Responder) close() {
	for _, p := range r.ports {
		p.close()
	}
	clear(r.ports)
}
