package acme

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/feed"
	"github.com/steelyard-lb/steelyard/controller/issuance"
	"github.com/steelyard-lb/steelyard/ingress/route"
)

// Issuer gets certificates while its process leads. Make it with [New].
type Issuer struct {
	opts    Options
	api     Store
	logger  log.Logger
	metrics *metrics
	ca      *authority
}

// New makes an Issuer that remembers and writes through api. It registers its
// metrics with reg, which may be nil.
func New(opts Options, api Store, logger log.Logger, reg prometheus.Registerer) (*Issuer, error) {
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("acme: %w", err)
	}
	opts = opts.withDefaults()
	return &Issuer{opts: opts, api: api, logger: logger, metrics: newMetrics(reg), ca: &authority{opts: opts, api: api}}, nil
}

const (
	listRetry  = time.Second      // between two tries to read what is remembered
	apiRetry   = 5 * time.Second  // for a certificate whose Secrets could not be read or written
	takenRetry = time.Minute      // for one whose Secret is not ours
	idle       = 10 * time.Minute // without anything to wait for
)

// Run orders and renews until ctx ends, and then returns nil. No order of its is
// driven any more by then; what is under way goes on with the next leader.
func (i *Issuer) Run(ctx context.Context, snaps <-chan *config.Snapshot) error {
	t := &term{Issuer: i, orders: map[config.Key]*config.Order{}, seen: map[config.Key]bool{},
		busy: map[config.Key]bool{}, held: map[config.Key]hold{}, ended: make(chan outcome)}
	defer i.metrics.rest()
	if !t.remember(ctx) {
		return nil
	}
	driving, stop := context.WithCancel(ctx)
	defer t.drives.Wait()
	defer stop()
	alarm := time.NewTimer(idle)
	defer alarm.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case snap, ok := <-snaps:
			if !ok {
				return errors.New("acme: snapshots ended")
			}
			if !t.see(snap) {
				continue
			}
		case out := <-t.ended:
			t.end(out, time.Now())
		case <-alarm.C:
		}
		if t.snap != nil {
			alarm.Reset(t.step(driving, time.Now()))
		}
	}
}

// term is what one leadership knows. Only the loop touches it, but for what
// drives send.
type term struct {
	*Issuer
	snap   *config.Snapshot
	plan   *issuance.Plan
	orders map[config.Key]*config.Order // by certificate: what is remembered
	seen   map[config.Key]bool          // those of orders that the snapshot had
	busy   map[config.Key]bool
	held   map[config.Key]hold
	told   map[config.Problem]bool
	ended  chan outcome
	drives sync.WaitGroup
}

// hold is why a certificate waits, for a reason that is not remembered.
type hold struct {
	until   time.Time
	problem *config.Problem // to be told meanwhile; may be nil
}

// remember reads what the leaders before have written, as it truly is.
func (t *term) remember(ctx context.Context) bool {
	for {
		list, err := t.api.ListOrders(ctx, t.opts.Namespace)
		if err == nil {
			for _, o := range list {
				t.orders[o.Certificate] = o
			}
			return true
		}
		if ctx.Err() == nil {
			level.Warn(t.logger).Log("msg", "orders of certificates cannot be read, trying again", "err", err)
		}
		if feed.Sleep(ctx, listRetry) != nil {
			return false
		}
	}
}

// see takes a snapshot in, and tells whether the plan may be another one by it.
// An order that was there and is gone was deleted by a person: it is begun anew.
func (t *term) see(snap *config.Snapshot) bool {
	first := t.snap == nil
	t.snap = snap
	news := first || snap.Changed.All || len(snap.Changed.Ingresses) > 0 || snap.Changed.Orders
	if !first && !snap.Changed.All && !snap.Changed.Orders {
		return news
	}
	for key, o := range t.orders {
		_, ok := snap.Orders.Get(o.Key)
		if !ok && t.seen[key] && !t.busy[key] {
			level.Info(t.logger).Log("msg", "a remembered order was deleted", "object", o.Key)
			delete(t.orders, key)
		}
		t.seen[key] = ok
	}
	return news
}

// step plans, begins what is due, and tells how long there is nothing more.
func (t *term) step(ctx context.Context, now time.Time) time.Duration {
	t.plan = issuance.Make(issuance.Input{
		Ingresses: route.OldestFirst(t.snap.Ingresses), Certificates: t.snap.Certificates, Orders: t.orders,
		Limits: t.opts.Limits, Previous: t.plan, Now: now,
	})
	next := now.Add(idle)
	sooner := func(at time.Time) {
		if !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	sooner(t.plan.Next)
	problems := t.plan.Problems
	for _, task := range t.plan.Tasks {
		if h, ok := t.held[task.Certificate]; ok && now.Before(h.until) {
			sooner(h.until)
			if h.problem != nil {
				problems = append(problems, *h.problem)
			}
			continue
		}
		if !t.busy[task.Certificate] && len(t.busy) < t.opts.Parallel {
			t.begin(ctx, task)
		}
	}
	for _, o := range t.plan.Drop {
		t.forget(ctx, o)
	}
	t.tell(problems)
	t.metrics.plan(t.plan, len(t.busy))
	return max(next.Sub(now), 0)
}

// begin drives a task on a goroutine of its own.
func (t *term) begin(ctx context.Context, task issuance.Task) {
	t.busy[task.Certificate] = true
	delete(t.held, task.Certificate)
	level.Info(t.logger).Log("msg", "getting a certificate", "object", task.Certificate, "hosts", strings.Join(task.Hosts, ","), "reason", task.Why)
	has := t.orders[task.Certificate]
	t.drives.Go(func() {
		out := t.remembered(ctx, t.run(ctx, task, has))
		select {
		case t.ended <- out:
		case <-ctx.Done():
		}
	})
}

// remembered writes down how a drive failed, unless it was only the end of a
// leadership.
func (i *Issuer) remembered(ctx context.Context, out outcome) outcome {
	if out.err == nil || errors.As(out.err, new(apiError)) || out.order == nil || ctx.Err() != nil {
		return out
	}
	if lost(out.err) {
		i.ca.forget()
	}
	failed := issuance.Failed(out.order, verdictOf(out.err, time.Now()), i.opts.Limits, time.Now())
	if err := i.api.PutOrder(ctx, failed); err != nil {
		out.err = apiError{errors.Join(err, out.err)}
		return out
	}
	out.order = failed
	return out
}

// end takes in how a drive ended.
func (t *term) end(out outcome, now time.Time) {
	key := out.task.Certificate
	delete(t.busy, key)
	if out.order != nil {
		t.orders[key] = out.order
	}
	switch {
	case out.err == nil && out.fresh:
		t.metrics.orders.WithLabelValues("issued").Inc()
		level.Info(t.logger).Log("msg", "certificate issued", "object", key, "hosts", strings.Join(out.task.Hosts, ","), "note", out.note)
		t.say(out.task, false, "CertificateIssued", strings.TrimSuffix(fmt.Sprintf("Secret %s holds a new certificate for %s; %s", key.Name, strings.Join(out.task.Hosts, ", "), out.note), "; "))
	case out.err == nil: // it was there already, and the watch will bring it
		t.held[key] = hold{until: now.Add(apiRetry)}
	case errors.Is(out.err, config.ErrTaken):
		t.held[key] = hold{now.Add(takenRetry), taken(out.task, out.err)}
	case errors.As(out.err, new(apiError)):
		level.Warn(t.logger).Log("msg", "Secrets of a certificate cannot be read or written, trying again", "object", key, "err", out.err)
		t.held[key] = hold{until: now.Add(apiRetry)}
	default:
		t.metrics.orders.WithLabelValues("failed").Inc()
		level.Warn(t.logger).Log("msg", "certificate not issued", "object", key, "hosts", strings.Join(out.task.Hosts, ","), "err", out.err)
	}
}

// taken is the Problem of a Secret that is not ours to write.
func taken(task issuance.Task, err error) *config.Problem {
	return &config.Problem{
		Object: config.Ref{Kind: config.KindIngress, Key: task.Ingresses[0].Key}, Field: "spec.tls", Reason: issuance.ReasonNotOurs,
		Message: "no certificate is ordered for " + strings.Join(task.Hosts, ", ") + ": " + err.Error(),
		Remedy:  "delete that Secret, or name another",
	}
}

// forget deletes what need not be remembered; what cannot be is tried another time.
func (t *term) forget(ctx context.Context, o *config.Order) {
	if t.busy[o.Certificate] {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, apiRetry)
	defer cancel()
	if err := t.api.DeleteOrder(ctx, o.Key); err != nil {
		level.Warn(t.logger).Log("msg", "an old order cannot be deleted", "object", o.Key, "err", err)
		return
	}
	delete(t.orders, o.Certificate)
}

// tell makes an event of every Problem that was not told yet.
func (t *term) tell(problems []config.Problem) {
	now := make(map[config.Problem]bool, len(problems))
	for _, p := range problems {
		if now[p] = true; t.told[p] {
			continue
		}
		uid := ""
		if ing, ok := t.snap.Ingresses.Get(p.Object.Key); ok && p.Object.Kind == config.KindIngress {
			uid = ing.UID
		}
		level.Info(t.logger).Log("msg", "problem", "object", p.Object, "reason", p.Reason, "err", p.String())
		t.api.Event(p.Object, uid, true, p.Reason, p.String())
	}
	t.told = now
}

// say tells those who asked for a certificate.
func (t *term) say(task issuance.Task, warning bool, reason, message string) {
	for _, ing := range task.Ingresses {
		t.api.Event(config.Ref{Kind: config.KindIngress, Key: ing.Key}, ing.UID, warning, reason, message)
	}
}
