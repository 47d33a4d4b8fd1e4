package controller

import (
	"net/netip"
	"time"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ipam"
)

// reign is what one leadership knows. Only the loop touches it.
type reign struct {
	*Controller
	snap     *config.Snapshot
	ledger   ipam.Ledger
	mode     config.IPMode
	out      *outbox
	ingress  []netip.Addr            // what every Ingress of ours shall show
	configs  map[config.Ref]bool     // our configuration objects
	routing  []config.Problem        // of Ingresses together
	sessions []config.Problem        // of BGP sessions that are down
	problems map[config.Problem]bool // told
	foreign  map[config.Key]string   // told of a status that is not ours
}

func newReign(c *Controller) *reign {
	return &reign{
		Controller: c, out: newOutbox(), configs: map[config.Ref]bool{},
		problems: map[config.Problem]bool{}, foreign: map[config.Key]string{},
	}
}

// step takes in a snapshot: plan, then ask for what differs.
func (r *reign) step(snap *config.Snapshot, now time.Time) {
	full := r.snap == nil || snap.Changed.All || snap.Changed.Config
	if r.snap == nil {
		r.mode = modeShown(snap, r.opts.Class)
	}
	r.snap = snap
	var diff ipam.Diff
	if full {
		r.ledger, diff = ipam.Plan(r.ledger, ipam.Input{Pools: snap.Pools, Requests: allRequests(snap, r.opts.Class), Now: now})
	} else {
		changed, gone := changedRequests(snap, r.opts.Class)
		r.ledger, diff = ipam.Update(r.ledger, ipam.Delta{Changed: changed, Gone: gone, Now: now})
	}
	changes := diff.Services
	mode := modeOf(r.opts.Forwarder, r.mode, snap)
	if mode != r.mode {
		level.Info(r.logger).Log("msg", "ipMode of all addresses changes", "mode", mode)
		r.mode, full = mode, true
	}
	r.reviewServices(changes, full, now)
	r.reviewIngresses(full, now)
	r.reviewRoutes(full)
	r.reviewConfig(now)
	r.sessions = sessionProblems(snap, r.opts.Namespace)
	r.tellProblems()
	r.metrics.plan(r.ledger, changes)
}

// reviewServices compares what Services show with what they shall say: all of
// them, or those that changed in the snapshot or in the plan.
func (r *reign) reviewServices(changes []ipam.Change, full bool, now time.Time) {
	planned := make(map[config.Key]*ipam.Change, len(changes))
	for i := range changes {
		planned[changes[i].Key] = &changes[i]
	}
	if full {
		for key := range r.snap.Services.All() {
			r.reviewService(key, planned[key], now)
		}
	}
	for _, key := range r.snap.Changed.Services {
		r.reviewService(key, planned[key], now)
	}
	for key, change := range planned {
		r.reviewService(key, change, now)
	}
}

func (r *reign) reviewService(key config.Key, change *ipam.Change, now time.Time) {
	ref := config.Ref{Kind: config.KindService, Key: key}
	svc, ok := r.snap.Services.Get(key)
	if !ok {
		r.out.forget(ref)
		delete(r.foreign, key)
		return
	}
	entry := r.ledger.Entry(key)
	r.tellForeign(svc, entry)
	status, ok := desired(svc, entry, r.opts.Class, r.mode)
	if !ok || config.StatusOf(svc).Equal(status) {
		r.out.settled(ref)
		return
	}
	w := &write{ref: ref, basis: svc, service: svc, status: status}
	var dropped []ipam.Drop
	if change != nil {
		dropped = change.Dropped
		if change.Was == nil && len(svc.Addrs) == 0 && len(status.Addrs) > 0 {
			w.asked = now
		}
	}
	shown := config.StatusOf(svc)
	if before := r.out.said(ref, svc); before != nil && before.uid() == svc.UID {
		shown = before.status
	}
	w.events = eventsFor(shown, status, entry, dropped)
	r.out.put(w, now)
}

// tellForeign says once that a status was written by somebody else: an event
// only, since the status is not ours to touch.
func (r *reign) tellForeign(svc *config.Service, e *ipam.Entry) {
	if e == nil || !foreign(e) {
		delete(r.foreign, svc.Key)
		return
	}
	text := e.Refusal.Text()
	if r.foreign[svc.Key] == text {
		return
	}
	r.foreign[svc.Key] = text
	level.Info(r.logger).Log("msg", "status written by somebody else is left alone", "svc", svc.Key, "addr", svc.Addrs)
	r.api.Event(config.Ref{Kind: config.KindService, Key: svc.Key}, svc.UID, true, eventAllocationFailed, text)
}
