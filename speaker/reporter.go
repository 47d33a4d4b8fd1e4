package speaker

import (
	"context"
	"reflect"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/feed"
)

const (
	reportEvery   = time.Second     // at least, between two writes of a node's SpeakerStatus
	reportTimeout = 5 * time.Second // for one write
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
// the newest report there is by then.
func (r *reporter) Run(ctx context.Context) error {
	var written *config.SpeakerReport
	for {
		select {
		case <-ctx.Done():
			return nil
		case report := <-r.box.C():
			if written == nil || !reflect.DeepEqual(*written, report) {
				written = r.write(ctx, report)
			}
		}
	}
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
