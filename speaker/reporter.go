package speaker

import (
	"context"
	"reflect"
	"slices"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/feed"
)

const (
	reportEvery   = time.Second      // at least, between two writes of a node's SpeakerStatus
	countsEvery   = 10 * time.Second // at least, between two writes for nothing but counts
	reportTimeout = 5 * time.Second  // for one write
)

// reporter writes the node's reports, the newest only and on a change only.
type reporter struct {
	log   log.Logger
	store reportStore
	box   *feed.Latest[config.SpeakerReport]
}

func newReporter(logger log.Logger, store reportStore) *reporter {
	return &reporter{log: logger, store: store, box: feed.NewLatest[config.SpeakerReport](nil)}
}

// Put leaves a report to be written.
func (r *reporter) Put(report config.SpeakerReport) { r.box.Put(report) }

// Run writes reports until ctx ends. A write that failed is tried again, with
// the newest report there is by then. Counts that move are no reason to write
// each time.
func (r *reporter) Run(ctx context.Context) error {
	var report config.SpeakerReport // the newest
	var written *config.SpeakerReport
	var end time.Time        // of the last write
	var due <-chan time.Time // of report, if only its counts are news
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-due:
			due, written, end = nil, r.write(ctx, report), time.Now()
		case report = <-r.box.C():
			due = nil
			switch {
			case written == nil || !reflect.DeepEqual(countless(*written), countless(report)):
				written, end = r.write(ctx, report), time.Now()
			case !reflect.DeepEqual(*written, report):
				due = time.After(time.Until(end.Add(countsEvery)))
			}
		}
	}
}

// countless is r without what may always be moving.
func countless(r config.SpeakerReport) config.SpeakerReport {
	r.Sessions = slices.Clone(r.Sessions)
	for i := range r.Sessions {
		r.Sessions[i].Received, r.Sessions[i].BFD.Interval = 0, 0
	}
	return r
}

// write writes report, or a newer one, as often as it takes, and waits before
// it returns what it wrote; nil if ctx ended before.
func (r *reporter) write(ctx context.Context, report config.SpeakerReport) *config.SpeakerReport {
	for failing := false; ; {
		limited, cancel := context.WithTimeout(ctx, reportTimeout)
		err := r.store.WriteReport(limited, report)
		cancel()
		if ctx.Err() == nil && failing != (err != nil) {
			failing = err != nil
			r.say(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(reportEvery):
		}
		if err == nil {
			return &report
		}
		select {
		case report = <-r.box.C():
		default:
		}
	}
}

func (r *reporter) say(err error) {
	if err != nil {
		level.Warn(r.log).Log("msg", "status of this node not written, trying again", "err", err)
		return
	}
	level.Info(r.log).Log("msg", "status of this node is written again")
}
