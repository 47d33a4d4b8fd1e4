package controller

import (
	"net/netip"
	"time"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/cert"
	"github.com/steelyard-lb/steelyard/ingress/route"
	"github.com/steelyard-lb/steelyard/ipam"
)

// reign is what one leadership knows. Only the loop touches it.
type reign struct {
	*Controller
	snap      *config.Snapshot
	ledger    ipam.Ledger
	mode      config.IPMode
	out       *outbox
	ingress   []netip.Addr            // what every Ingress of ours shall show
	configs   map[config.Ref]bool     // our configuration objects
	certs     *cert.Store             // as last looked at
	pairs     []config.Problem        // of certificates
	looked    time.Time               // at certificates, last
	routes    *route.Plan             // of Ingresses together; nil before the first snapshot
	routing   []config.Problem        // of it
	guard     *route.Guard            // nil: ExternalName Services are not served
	sessions  []config.Problem        // of BGP sessions that are down
	externals []config.Problem        // of spec.externalIPs
	problems  map[config.Problem]bool // told
	heard     heard
	news      *bulletin
	outlook   *outlook              // of snap; nil: to be made
	wrote     time.Time             // an address, last
	foreign   map[config.Key]string // told of a status that is not ours

	remembers bool                          // some memory may exist: of a pool, or of an address without one
	kept      map[netip.Addr]config.Key     // managed reservations, as they are called
	refused   map[config.Key]config.Problem // of reservations that cannot be had
	refusals  uint64                        // grows when refused changes
}

func newReign(c *Controller) *reign {
	r := &reign{
		Controller: c, out: newOutbox(), news: newBulletin(), configs: map[config.Ref]bool{},
		foreign: map[config.Key]string{},
		kept:    map[netip.Addr]config.Key{}, refused: map[config.Key]config.Problem{},
	}
	if c.opts.ExternalNames {
		r.guard = &route.Guard{} // what names stand for only the ingress processes know
	}
	return r
}

// step takes in a snapshot: plan, then ask for what differs.
func (r *reign) step(snap *config.Snapshot, now time.Time) {
	full := r.snap == nil || snap.Changed.All || snap.Changed.Config
	if r.snap == nil {
		r.mode = modeShown(snap, r.opts.Classes)
	}
	vanished, forgotten := r.vanished(snap)
	before := r.snap
	r.snap = snap
	diff := r.plan(full, forgotten, now)
	changes := diff.Services
	mode := modeOf(r.opts.Forwarder, r.mode, snap)
	if mode != r.mode {
		level.Info(r.logger).Log("msg", "ipMode of all addresses changes", "mode", mode)
		r.mode, full = mode, true
	}
	r.reviewServices(changes, full, now)
	r.reviewIngresses(full, now)
	r.reviewRoutes()
	rejudged := r.reviewCertificates(full, now)
	r.reviewReports(before, rejudged, now)
	r.reviewExternalIPs(before, full)
	r.markAnnounced(before, full, now)
	mended := r.reviewConfig(now)
	r.reviewReservations(diff, vanished, full || mended, now)
	r.sessions = sessionProblems(snap, r.opts.Namespace)
	r.tellProblems()
	r.metrics.plan(r.ledger, changes)
}

// plan folds the snapshot into the ledger. Times are cut to what the API keeps,
// so that what it shows equals what was decided.
func (r *reign) plan(full bool, forgotten []netip.Addr, now time.Time) ipam.Diff {
	now = now.UTC().Truncate(time.Microsecond)
	var diff ipam.Diff
	if full {
		in := inputOf(r.snap, r.opts.Classes, now)
		in.Forgotten = forgotten
		r.ledger, diff = ipam.Plan(r.ledger, in)
	} else {
		changed, gone := changedRequests(r.snap, r.opts.Classes)
		r.ledger, diff = ipam.Update(r.ledger, ipam.Delta{Changed: changed, Gone: gone, Forgotten: forgotten, Now: now})
	}
	r.remembers = r.remembers || len(diff.Memories) > 0
	return diff
}

// wake plans anew because time has passed: an address has rested enough, or a
// certificate may have expired.
func (r *reign) wake(now time.Time) {
	same := *r.snap
	same.Changed = config.Changes{}
	r.step(&same, now)
}

// due is when wake has something to do; far away if never.
func (r *reign) due(now time.Time) time.Duration {
	if r.snap == nil {
		return idleForever
	}
	wait := r.certsDue(now)
	if at := r.ledger.Due(); !at.IsZero() {
		wait = min(wait, max(at.Sub(now), 0))
	}
	return wait
}

// reviewServices compares what Services show with what they shall say: all of
// them, or those that changed in the snapshot or in the plan.
func (r *reign) reviewServices(changes []ipam.Change, full bool, now time.Time) {
	planned := make(map[config.Key]*ipam.Change, len(changes))
	for i := range changes {
		planned[changes[i].Key()] = &changes[i]
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
	status, ok := desired(svc, entry, r.opts.Classes, r.mode)
	if !ok || config.StatusOf(svc).Equal(status) {
		r.out.settled(ref, status.Addrs...)
		return
	}
	w := &write{ref: ref, basis: svc, service: svc, status: status, memories: r.unwritten(entry)}
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
