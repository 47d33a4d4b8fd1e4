package controller

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config"
)

// heard is what tellProblems looked at last.
type heard struct {
	objects                             []config.Problem // of the snapshot, which shares the list while nothing differs
	routing, pairs, sessions, externals []config.Problem
	refusals                            uint64
}

func (h heard) same(o heard) bool {
	return len(h.objects) == len(o.objects) && (len(h.objects) == 0 || &h.objects[0] == &o.objects[0]) &&
		h.refusals == o.refusals && slices.Equal(h.routing, o.routing) && slices.Equal(h.pairs, o.pairs) && slices.Equal(h.sessions, o.sessions) &&
		slices.Equal(h.externals, o.externals)
}

// tellProblems makes an event of every problem that was not told yet. It costs
// nothing while there is none but the old: one tenant can make thousands.
func (r *reign) tellProblems() {
	news := heard{r.snap.Problems, r.routing, r.pairs, r.sessions, r.externals, r.refusals}
	if r.problems != nil && r.heard.same(news) {
		return
	}
	r.heard = news
	now := make(map[config.Problem]bool, len(r.snap.Problems))
	for _, p := range slices.Concat(r.snap.Problems, r.routing, r.pairs, r.sessions, r.externals, slices.Collect(maps.Values(r.refused))) {
		uid, ok := r.subject(p)
		if !ok {
			continue
		}
		if now[p] = true; !r.problems[p] {
			level.Info(r.logger).Log("msg", "problem", "object", p.Object, "reason", p.Reason, "err", p.String())
			r.api.Event(p.Object, uid, true, p.Reason, p.String())
		}
	}
	r.problems = now
}

// subject finds the object that p is about. It is none of ours to speak of if
// it is a Service that we do not serve, save for its external IPs, and told
// already by the Service's own condition if it is about what the Service asks for.
func (r *reign) subject(p config.Problem) (uid string, ok bool) {
	switch p.Object.Kind {
	case config.KindService:
		svc, ok := r.snap.Services.Get(p.Object.Key)
		if !ok || !ours(svc, r.opts.Classes) && !strings.HasPrefix(p.Field, config.FieldExternalIPs) || svc.Want.Problem != nil && *svc.Want.Problem == p {
			return "", false
		}
		return svc.UID, true
	case config.KindIngress:
		if ing, ok := r.snap.Ingresses.Get(p.Object.Key); ok {
			return ing.UID, true
		}
	case config.KindIPReservation:
		if o, ok := r.snap.Reservations.Get(p.Object.Key); ok {
			return o.UID, true
		}
	case config.KindNode:
		if node, ok := r.snap.Nodes.Get(p.Object.Name); ok {
			return node.UID, true
		}
	}
	return "", true
}

// begin notes that a worker took w.
func (r *reign) begin(w *write, now time.Time) {
	if w.notice {
		r.beginNotice(w, now)
		return
	}
	r.out.begin(w)
}

// finish takes in how a write ended.
func (r *reign) finish(res result, now time.Time) {
	w := res.write
	if w.notice {
		r.finishNotice(w, res.err, now)
		return
	}
	if r.out.end(w, res.err, now); w.ref.Kind == config.KindService {
		r.wrote = now
	}
	switch {
	case res.err == nil:
		r.tellWritten(w, now)
	case errors.Is(res.err, config.ErrGone), errors.Is(res.err, config.ErrConflict):
		level.Debug(r.logger).Log("msg", "write not taken", "object", w.ref, "err", res.err)
	default:
		level.Warn(r.logger).Log("msg", "write failed", "object", w.ref, "err", res.err)
		if errors.Is(res.err, config.ErrRefused) && r.out.failures(w.ref) == refusedTold {
			r.api.Event(w.ref, w.uid(), true, eventWriteRefused, res.err.Error()+"; "+remedyRefused)
		}
	}
}

// refusedTold is after how many failures in a row a person is told that the API
// server refuses a write: rights that are being rolled out come within them.
const refusedTold = 4

func (r *reign) tellWritten(w *write, now time.Time) {
	if w.ref.Kind == config.KindService {
		r.logService(w)
	}
	for _, e := range w.events {
		r.api.Event(w.ref, w.uid(), e.warning, e.reason, e.message)
	}
	if !w.asked.IsZero() {
		r.metrics.latency.Observe(now.Sub(w.asked).Seconds())
	}
	w.events = nil // told
}

func (r *reign) logService(w *write) {
	logger := level.Info(r.logger)
	if len(w.events) == 0 {
		logger = level.Debug(r.logger)
	}
	reason := ""
	if w.status.Condition != nil {
		reason = w.status.Condition.Reason
	}
	logger.Log("msg", "service status written", "svc", w.service.Key, "addr", strings.Join(addrTexts(w.status.Addrs), ","), "pool", w.status.Pool, "reason", reason)
}
