package speaker

import (
	"errors"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// What this node wrote or read counts until the watch has caught up with it.
func TestRecordsAreCaughtUpWith(t *testing.T) {
	before, mine := record("n2", 4, "10"), record("n1", 5, "11")
	for _, tt := range []struct {
		name  string
		known late
		seen  *config.L2Claim
		want  *config.L2Claim
	}{
		{"not seen yet", late{mine, before}, before, mine},
		{"nothing seen yet", late{claim: mine}, nil, mine},
		{"seen", late{mine, before}, mine, mine},
		{"lost since", late{mine, before}, record("n3", 6, "12"), record("n3", 6, "12")},
		{"deleted since", late{mine, before}, nil, nil},
		{"made anew by another with a lower epoch", late{claim: mine}, record("n3", 1, "12"), record("n3", 1, "12")},
	} {
		h, snap := newAhead(), showing(tt.seen)
		h.known[addr4] = tt.known
		h.settle(snap)
		if got := h.record(snap, addr4); !sameRecord(got, tt.want) {
			t.Errorf("%s: record %+v, want %+v", tt.name, got, tt.want)
		}
		edit := snap.Claims.Edit()
		h.over(snap, edit)
		if got, _ := edit.Done().Get(addr4); !sameRecord(got, tt.want) {
			t.Errorf("%s: shown over the snapshot %+v, want %+v", tt.name, got, tt.want)
		}
		if got, _ := snap.Claims.Get(addr4); got != tt.seen {
			t.Errorf("%s: the snapshot was changed", tt.name)
		}
	}
}

// What others tell of counts only where the API cannot be asked, and not longer.
func TestToldRecords(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	before, third := record("n2", 4, "10"), record("n3", 5, "")
	read, fourth := record("n3", 5, "11"), record("n4", 7, "")
	failed := reading{begun: at(600), err: errors.New("away")}
	for _, tt := range []struct {
		name     string
		do       func(h ahead, snap *config.Snapshot)
		seen     *config.L2Claim
		want     *config.L2Claim
		doubtful bool
	}{
		{"told", func(h ahead, snap *config.Snapshot) {}, before, before, true},
		{"told where the API is away", func(h ahead, snap *config.Snapshot) { h.learn(snap, failed) }, before, third, false},
		{"the watch shows it", func(h ahead, snap *config.Snapshot) {}, read, read, false},
		{"the watch shows a later one", func(h ahead, snap *config.Snapshot) { h.learn(snap, failed) }, record("n1", 6, "12"), record("n1", 6, "12"), false},
		{"told of again", func(h ahead, snap *config.Snapshot) { h.hear(snap, recorded(third), false, at(400)) }, before, before, true},
		{"told of a later one", func(h ahead, snap *config.Snapshot) {
			h.learn(snap, failed)
			h.hear(snap, recorded(fourth), true, at(700))
		}, before, fourth, false},
		{"told of an earlier one", func(h ahead, snap *config.Snapshot) {
			h.hear(snap, recorded(fourth), true, at(10))
			h.hear(snap, recorded(third), true, at(20))
		}, before, fourth, false},
		{"read", func(h ahead, snap *config.Snapshot) {
			h.learn(snap, failed)
			h.learn(snap, reading{begun: at(800), all: true, claims: []*config.L2Claim{read}})
		}, before, read, false},
		{"read, and there is none", func(h ahead, snap *config.Snapshot) {
			h.learn(snap, failed)
			h.learn(snap, reading{begun: at(800), all: true})
		}, nil, nil, false},
		{"one record read as a sign", func(h ahead, snap *config.Snapshot) {
			h.learn(snap, failed)
			h.learn(snap, reading{begun: at(800)})
		}, before, third, false},
		{"told since the reading was begun", func(h ahead, snap *config.Snapshot) {
			h.learn(snap, failed)
			h.hear(snap, recorded(fourth), true, at(810))
			h.learn(snap, reading{begun: at(800), all: true, claims: []*config.L2Claim{read}})
		}, before, read, false},
	} {
		h, snap := newAhead(), showing(tt.seen)
		h.hear(snap, recorded(third), false, start)
		tt.do(h, snap)
		h.settle(snap)
		if got := h.record(snap, addr4); !sameRecord(got, tt.want) {
			t.Errorf("%s: record %+v, want %+v", tt.name, got, tt.want)
		}
		if got := h.doubtful(at(900)); got != tt.doubtful {
			t.Errorf("%s: doubtful %v", tt.name, got)
		}
	}
}
