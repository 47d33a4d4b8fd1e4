package layer2

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
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
// than the 0.6 s that gossip alone needs at least to find a node dead, so that
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
	claims  atomic.Pointer[claimSet] // to answer for
	probed  atomic.Pointer[claimSet] // to ask for
	company atomic.Pointer[company]
	watch   *watch
	odd     atomic.Bool   // a malformed frame was logged
	wake    chan struct{} // for Run: something changed

	// Of Apply's goroutine:
	applied []announce.Claim
	on      []host.Link

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
		watch: newWatch(), ports: map[linkKey]*port{}, schedule: newSchedule(),
	}
	r.beats.limit = o.Detection
	r.claims.Store(&claimSet{})
	r.probed.Store(&claimSet{})
	r.company.Store(&company{})
	return r
}

// now is the monotonic time since the responder was made, never 0.
func (r *Responder) now() time.Duration { return time.Since(r.start) + 1 }

// Apply makes claims those that this node answers for, on their links as far
// as state shows them up, and counts as a heartbeat. What is no longer claimed
// is silent when Apply returns; what is new is answered and announced soon
// after, when Run has fitted the sockets. The lists must not be changed
// afterwards; handing over the same again is a heartbeat only. Apply belongs to
// one goroutine.
func (r *Responder) Apply(claims []announce.Claim, state host.State) {
	if sameList(claims, r.applied) && sameList(state.Links, r.on) {
		r.Beat()
		return
	}
	r.applied, r.on = claims, state.Links
	set := claimsOn(claims, state)
	r.Beat()
	r.claims.Store(&set)
	r.metrics.addresses.Set(float64(len(claims)))
	r.stir()
}

// sameList tells cheaply whether two lists are one and the same memory.
func sameList[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// Ask makes claims those whose addresses are asked for, on their links, before
// anybody answers for them: three probes in 300 ms, again every 30 s as long as
// a stranger answers. The members but this node, others, are no strangers. It
// belongs to the goroutine of Apply.
func (r *Responder) Ask(claims []announce.Claim, others []announce.Member, state host.State) {
	r.company.Store(companyOf(others, state))
	set := claimsOn(claims, state)
	if len(set) == 0 && len(*r.probed.Load()) == 0 {
		return
	}
	r.probed.Store(&set) // first, so that Run has sockets when it has to send
	r.watch.ask(set, r.now())
	r.stir()
}

// Findings are what was found out so far about strangers.
func (r *Responder) Findings() Findings { return r.watch.findings() }

// Changed tells that findings changed. It has one reader.
func (r *Responder) Changed() <-chan struct{} { return r.watch.changed }

func (r *Responder) stir() {
	select {
	case r.wake <- struct{}{}:
	default: // Run has yet to look; it will see the newest
	}
}

// contest takes in that a stranger has addr.
func (r *Responder) contest(proto string, addr netip.Addr, link linkKey, mac hardware) {
	probed, news := r.watch.heard(addr, link, mac, r.now())
	if !news {
		return
	}
	when := whenOwned
	if probed {
		when = whenProbed
	}
	r.metrics.conflicts.WithLabelValues(proto, when).Inc()
	r.stir()
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
	var synced [2]*claimSet
	var retryAt time.Duration
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		case <-timer.C:
		}
		sets, now := [2]*claimSet{r.claims.Load(), r.probed.Load()}, r.now()
		if sets != synced || retryAt != 0 && now >= retryAt {
			err := r.sync(*sets[0], *sets[1], now)
			if errors.Is(err, os.ErrPermission) {
				return fmt.Errorf("layer 2 needs the capability NET_RAW: %w", err)
			}
			r.report(err)
			synced, retryAt = sets, 0
			if err != nil {
				retryAt = now + retryEvery
			}
		}
		r.send(r.now())
		timer.Reset(r.watch.wait(r.now(), r.schedule.wait(r.now(), retryEvery)))
	}
}

// sync makes schedule fit claims, and ports fit claims and probed.
func (r *Responder) sync(claims, probed claimSet, now time.Duration) error {
	heard := union(claims, probed)
	for key, p := range r.ports {
		if _, ok := heard[key]; !ok {
			p.close()
			delete(r.ports, key)
			level.Info(r.log).Log("msg", "answering no more", "link", key.name)
		}
	}
	r.schedule.set(claims, now)
	var errs []error
	for key, addrs := range heard {
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

// send sends what is due.
func (r *Responder) send(now time.Duration) {
	claims := *r.claims.Load()
	ask, defend := r.watch.next(claims, now)
	r.ask(ask)
	for _, t := range defend {
		r.announce(t, false)
	}
	full := map[linkKey]bool{} // takes no more for now
	for _, d := range r.schedule.next(now) {
		if !full[d.link] {
			full[d.link] = errors.Is(r.announce(d.target, d.refreshes()), errFull)
		}
		if full[d.link] {
			r.schedule.retry(d, now)
		}
	}
}

// ask sends probes. One that no link of its address took does not count.
func (r *Responder) ask(list []target) {
	asked, full := map[netip.Addr]bool{}, map[linkKey]bool{}
	for _, t := range list {
		took := false
		if p, ok := r.ports[t.link]; ok && !full[t.link] {
			err := r.sent("probing failed", t, p.ask(t.addr))
			took, full[t.link] = err == nil, errors.Is(err, errFull)
		}
		asked[t.addr] = asked[t.addr] || took
	}
	for addr, took := range asked {
		if !took {
			r.watch.unasked(addr, r.now())
		}
	}
}

// announce tells neighbours of t if it is still ours, unless the heartbeat is
// old: it may be another node's by now.
func (r *Responder) announce(t target, again bool) error {
	p, ok := r.ports[t.link]
	if ok && r.claims.Load().owns(t.link, t.addr) && r.beats.fresh(r.now()) {
		return r.sent("announcing failed", t, p.announce(t.addr, again))
	}
	return nil
}

// sent counts a failure to send.
func (r *Responder) sent(fault string, t target, err error) error {
	if err != nil {
		r.metrics.errors.WithLabelValues("send").Inc()
		level.Debug(r.log).Log("msg", fault, "link", t.link.name, "addr", t.addr, "err", err)
	}
	return err
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
