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

// reportEvery is the least time between two writes of a node's SpeakerStatus.
const reportEvery = time.Second

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
	failing := false
	for {
		var report config.SpeakerReport
		select {
		case <-ctx.Done():
			return nil
		case report = <-r.box.C():
		}
		for written == nil || !reflect.DeepEqual(*written, report) {
			err := r.store.WriteReport(ctx, report)
			if err == nil {
				written, failing = &report, false
			} else if !failing && ctx.Err() == nil {
				failing = true
				level.Warn(r.log).Log("msg", "status of this node not written", "err", err)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(reportEvery):
			}
			if err == nil {
				break
			}
			select {
			case report = <-r.box.C():
			default:
			}
		}
	}
}
