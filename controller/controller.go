package controller

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/route"
)

// statusWriter is all that the controller asks of the API. Writes touch only
// the fields that their value has, and wrap config.ErrConflict (ErrTaken) and
// config.ErrGone. They are called from several goroutines, never twice at a
// time for one object. Event must not block; uid may be "".
type statusWriter interface {
	PatchService(ctx context.Context, svc *config.Service, status config.ServiceStatus) error
	// PatchNotice may be called beside PatchService for the same Service.
	PatchNotice(ctx context.Context, svc *config.Service, notice config.Notice) error
	PatchIngress(ctx context.Context, ingress *config.Ingress, addrs []netip.Addr) error
	PutIngressReport(ctx context.Context, report *config.IngressReport) error
	DeleteIngressReport(ctx context.Context, key config.Key) error
	PutReservation(ctx context.Context, key config.Key, service string, addr netip.Addr, status config.ReservationStatus) error
	PatchReservation(ctx context.Context, reservation *config.Reservation, status config.ReservationStatus) error
	DeleteReservation(ctx context.Context, key config.Key, uid string) error
	PatchPool(ctx context.Context, pool config.Key, status config.PoolStatus) error
	PatchConditions(ctx context.Context, object config.Ref, conditions []config.Condition) error
	Event(about config.Ref, uid string, warning bool, reason, message string)
}

// Options say what the controller serves and how hard it may push. The zero
// value serves Services without a class.
type Options struct {
	Namespace      string             // of our pools, peers and advertisements
	Classes        config.Classes     // loadBalancerClasses of our Services
	Forwarder      bool               // our forwarder serves addresses: ipMode Proxy once every node is ready
	ExternalIPs    config.ExternalIPs // ranges in which the speakers forward spec.externalIPs
	IngressService config.Key         // whose addresses every Ingress of ours gets; zero: leave Ingress status alone
	ACME           bool               // certificates are ordered for Ingresses that ask for it
	Owners         *route.Owners      // who may use which host of Ingresses; nil: anybody any
	ExternalNames  bool               // the ingress processes serve ExternalName Services
	Workers        int                // parallel writes; default 16
	WriteTimeout   time.Duration      // per write, to be well inside the lease; default 5 s
}

const (
	defaultWorkers      = 16
	defaultWriteTimeout = 5 * time.Second
)

// Controller gives addresses to Services. Make one with [New].
type Controller struct {
	opts    Options
	api     statusWriter
	logger  log.Logger
	metrics *metrics
}

// New makes a Controller that writes through api. It registers its metrics
// with reg, which may be nil.
func New(opts Options, api statusWriter, logger log.Logger, reg prometheus.Registerer) *Controller {
	if opts.Workers <= 0 {
		opts.Workers = defaultWorkers
	}
	if opts.WriteTimeout <= 0 {
		opts.WriteTimeout = defaultWriteTimeout
	}
	return &Controller{opts: opts, api: api, logger: logger, metrics: newMetrics(reg)}
}

var errSnapshotsEnded = errors.New("snapshots ended")

// Run leads until ctx ends, and then returns nil. No write outlives it. The
// first snapshot must be complete and at least as new as this leadership; the
// changes of each are against the one received before.
func (c *Controller) Run(ctx context.Context, snaps <-chan *config.Snapshot) error {
	group, ctx := errgroup.WithContext(ctx)
	jobs, results := make(chan *write), make(chan result, c.opts.Workers)
	for range c.opts.Workers {
		group.Go(func() error {
			c.routineWrite(ctx, jobs, results)
			return nil
		})
	}
	group.Go(func() error {
		return c.lead(ctx, snaps, jobs, results)
	})
	return group.Wait()
}

// lead is the loop that decides.
func (c *Controller) lead(ctx context.Context, snaps <-chan *config.Snapshot, jobs chan<- *write, results <-chan result) error {
	r := newReign(c)
	defer c.metrics.queue.Set(0)
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for {
		now := time.Now()
		next, wait := r.out.peek(now)
		to := jobs
		if next == nil {
			var rest time.Duration
			next, rest = r.peekNotice(now)
			wait = min(wait, rest)
		}
		if next == nil {
			to = nil
			alarm.Reset(min(wait, r.due(now)))
		}
		c.metrics.queue.Set(float64(r.out.depth()))
		select {
		case <-ctx.Done():
			return nil
		case snap, ok := <-snaps:
			if !ok {
				return errSnapshotsEnded
			}
			r.step(snap, time.Now())
		case to <- next:
			r.begin(next, time.Now())
		case res := <-results:
			r.finish(res, time.Now())
		case <-alarm.C: // a write became due, or an address has rested
			if r.due(time.Now()) == 0 {
				r.wake(time.Now())
			}
		}
	}
}
