package controller

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config"
)

// markAnnounced asks to look at the conditions Announced and Forwarding of those
// Services for which they may differ from before, which was the snapshot of old.
func (r *reign) markAnnounced(old *config.Snapshot, full bool, now time.Time) {
	changed := r.snap.Changed
	if full || len(changed.Nodes) > 0 {
		r.outlook = nil
	}
	if full || slices.ContainsFunc(changed.Nodes, func(name string) bool { return concernsAll(old, r.snap, name) }) {
		for key := range r.snap.Services.All() {
			r.mark(key, now)
		}
		return
	}
	for _, key := range changed.Services {
		r.mark(key, now)
	}
	for _, addr := range changed.Claims {
		r.outlook = nil
		for _, key := range r.ledger.Holders(addr) {
			r.mark(key, now)
		}
	}
	for _, name := range changed.Nodes {
		for _, e := range slices.Concat(exceptionsOf(old, name), exceptionsOf(r.snap, name)) {
			r.mark(e.Service, now)
		}
	}
}

func (r *reign) mark(key config.Key, now time.Time) {
	svc, ok := r.snap.Services.Get(key)
	if ok && (ours(svc, r.opts.Classes) || config.NoticeOf(svc) != config.Notice{}) {
		r.news.mark(key, now)
	}
}

// concernsAll tells whether what changed about a node may change who announces
// or forwards any Service.
func concernsAll(old, now *config.Snapshot, name string) bool {
	a, had := old.Nodes.Get(name)
	b, has := now.Nodes.Get(name)
	if had != has || had && (a.Ready != b.Ready || a.NetworkUnavailable != b.NetworkUnavailable ||
		a.OutOfService != b.OutOfService || !maps.Equal(a.Labels, b.Labels)) {
		return true
	}
	if forwarderOf(old, name) != forwarderOf(now, name) {
		return true
	}
	return !slices.Equal(establishedOf(old, name), establishedOf(now, name))
}

// establishedOf are the peers that a node has sessions with.
func establishedOf(snap *config.Snapshot, node string) (peers []string) {
	s, ok := snap.Speakers.Get(node)
	if !ok {
		return nil
	}
	for _, r := range s.Sessions {
		if r.State == config.SessionEstablished {
			peers = append(peers, r.Peer)
		}
	}
	return peers
}

func exceptionsOf(snap *config.Snapshot, node string) []config.Exception {
	if s, ok := snap.Speakers.Get(node); ok {
		return s.Exceptions
	}
	return nil
}

// notice is the write that the conditions Announced and Forwarding of a Service
// need; nil if they say what they shall.
func (r *reign) notice(key config.Key) *write {
	svc, ok := r.snap.Services.Get(key)
	if !ok {
		return nil
	}
	if r.outlook == nil {
		r.outlook = newOutlook(r.snap)
	}
	var says config.Notice
	if ours(svc, r.opts.Classes) {
		says.Announced = r.outlook.condition(svc)
		if r.opts.Forwarder {
			says.Forwarding = r.outlook.forwarding(svc)
		}
	}
	if config.NoticeOf(svc).Equal(says) {
		return nil
	}
	shown, want := svc.Condition(config.ConditionAnnounced), says.Announced
	w := &write{ref: config.Ref{Kind: config.KindService, Key: key}, service: svc, notice: true, says: says}
	if sameCondition(shown, want) {
		return w
	}
	if want != nil && !want.Status && (shown != nil && shown.Status || !passing[want.Reason]) {
		w.events = []event{{true, eventAnnounceFailed, want.Message}}
	}
	return w
}

// passing are the reasons that a new Service may have for a moment: no event is
// made of them unless it was announced before.
var passing = map[string]bool{
	reasonNoAd: true, reasonNotClaimed: true, reasonNoSession: true, upper(config.ExceptionNoEndpoints): true,
}

// peekNotice is the next notice, if nothing else is waiting or under way.
func (r *reign) peekNotice(now time.Time) (*write, time.Duration) {
	if r.snap == nil || r.out.busy > 0 {
		return nil, idleForever // the end of that write wakes the loop
	}
	return r.news.peek(now, r.notice)
}

// beginNotice notes that a worker took w.
func (r *reign) beginNotice(w *write, now time.Time) {
	gap := noticeGap
	if now.Sub(r.wrote) < busyFor {
		gap = noticeBusy
	}
	r.news.begin(w, now, gap)
}

// finishNotice takes in how a notice ended.
func (r *reign) finishNotice(w *write, err error, now time.Time) {
	r.news.end(w, err, now)
	switch {
	case err == nil:
		for _, e := range w.events {
			r.api.Event(w.ref, w.uid(), e.warning, e.reason, e.message)
		}
		level.Debug(r.logger).Log("msg", "announcement written", "svc", w.ref.Key)
	case errors.Is(err, config.ErrGone):
	case r.news.fails == 1:
		level.Warn(r.logger).Log("msg", "announcement not written, trying again", "svc", w.ref.Key, "err", err)
	}
}
