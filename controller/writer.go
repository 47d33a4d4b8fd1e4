package controller

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// write is what some object's status shall say. Which field counts depends on
// the kind of the object.
type write struct {
	ref     config.Ref
	basis   any             // the object in the snapshot, by pointer; nil: not in it
	service *config.Service // for KindService
	status  config.ServiceStatus
	ingress *config.Ingress // for KindIngress
	addrs   []netip.Addr
	report  *config.IngressReport // for KindIngressReport; nil: it shall go
	pool    config.PoolStatus     // for KindIPAddressPool; of our other kinds only the conditions

	memories    []*memory                 // managed reservations, put before the Service's status
	reservation *config.Reservation       // as it is
	standing    *config.ReservationStatus // what it shall say, if a person made it
	drop        bool                      // it shall go

	notice bool          // only the conditions Announced and Forwarding of the Service are written
	says   config.Notice // what they shall be

	events []event   // told once the write succeeded
	asked  time.Time // when the Service was first seen without an address; zero: not timed
}

// same tells whether w and o say the same of the same object.
func (w *write) same(o *write) bool {
	if w.uid() != o.uid() {
		return false
	}
	switch w.ref.Kind {
	case config.KindService:
		return w.status.Equal(o.status)
	case config.KindIngress:
		return slices.Equal(w.addrs, o.addrs)
	case config.KindIngressReport:
		return w.report.Equal(o.report)
	case config.KindIPReservation:
		return w.drop == o.drop && slices.EqualFunc(w.memories, o.memories, (*memory).same) &&
			(w.standing == nil) == (o.standing == nil) && (w.standing == nil || w.standing.Equal(*o.standing)) && w.pool.Equal(o.pool)
	}
	return w.pool.Equal(o.pool)
}

// uid tells objects of one name apart; "" for kinds without one in the snapshot.
func (w *write) uid() string {
	switch {
	case w.service != nil:
		return w.service.UID
	case w.ingress != nil:
		return w.ingress.UID
	case w.reservation != nil:
		return w.reservation.UID
	}
	return ""
}

// kind is the kind of w in metrics.
func (w *write) kind() string {
	if w.notice {
		return "Announcement"
	}
	return string(w.ref.Kind)
}

// event is one line in the life of an object.
type event struct {
	warning         bool
	reason, message string
}

// result is how a write ended.
type result struct {
	write *write
	err   error
}

// routineWrite writes what it is given until ctx ends.
func (c *Controller) routineWrite(ctx context.Context, jobs <-chan *write, results chan<- result) {
	for {
		select {
		case <-ctx.Done():
			return
		case w := <-jobs:
			res := result{w, c.perform(ctx, w)}
			select {
			case results <- res:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (c *Controller) perform(ctx context.Context, w *write) error {
	ctx, cancel := outlast(ctx, lastWords, c.opts.WriteTimeout)
	defer cancel()
	err := c.send(ctx, w)
	c.metrics.writes.WithLabelValues(w.kind(), outcome(err)).Inc()
	if err != nil {
		return fmt.Errorf("writing status of %v: %w", w.ref, err)
	}
	return nil
}

// send does the requests of one write, memories first: what an address is
// remembered by must be there before a Service shows it. If somebody else's
// object has its name, nothing is remembered; the Service shall not wait for
// that.
func (c *Controller) send(ctx context.Context, w *write) error {
	for _, m := range w.memories {
		err := c.api.PutReservation(ctx, m.key, m.service, m.addr, m.status)
		if err != nil && !(w.ref.Kind == config.KindService && errors.Is(err, config.ErrTaken)) {
			return err
		}
	}
	switch {
	case w.notice:
		return c.api.PatchNotice(ctx, w.service, w.says)
	case w.ref.Kind == config.KindService:
		return c.api.PatchService(ctx, w.service, w.status)
	case w.ref.Kind == config.KindIngress:
		return c.api.PatchIngress(ctx, w.ingress, w.addrs)
	case w.ref.Kind == config.KindIngressReport && w.report == nil:
		return c.api.DeleteIngressReport(ctx, w.ref.Key)
	case w.ref.Kind == config.KindIngressReport:
		return c.api.PutIngressReport(ctx, w.report)
	case w.ref.Kind == config.KindIPAddressPool:
		return c.api.PatchPool(ctx, w.ref.Key, w.pool)
	case w.drop:
		return c.api.DeleteReservation(ctx, w.ref.Key, w.reservation.UID)
	case w.standing != nil:
		return c.api.PatchReservation(ctx, w.reservation, *w.standing)
	case len(w.memories) > 0:
		return nil // they were all there was to do
	}
	return c.api.PatchConditions(ctx, w.ref, w.pool.Conditions)
}

// lastWords is how long writes that are under way may last when a leadership
// ends: longer than any answer that it outlives takes.
const lastWords = 1500 * time.Millisecond

// outlast is ctx with the time limit most, which ends up to grace later than
// ctx. A request that is given up may be carried out all the same: the next
// leader, which reads when we have let go, must find what it did.
func outlast(ctx context.Context, grace, most time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-longer.Done():
		case <-time.After(grace):
			cancel()
		}
	})
	return longer, func() { stop(); cancel() }
}

// outcome is err as a bounded label.
func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, config.ErrConflict):
		return "conflict"
	case errors.Is(err, config.ErrGone):
		return "gone"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "error"
}
