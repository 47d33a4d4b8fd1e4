package keyfile

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/keys"
)

const (
	// Every is the time between two looks at the file.
	Every = 2 * time.Second
	// maxSize is more than any list of keys has.
	maxSize = 64 << 10
)

const remedy = "add a new key as the last line and wait until all speakers have read it, then make it the first line and wait, " +
	"then take the old one out (docs/install.md)"

// User is somebody who uses the keys.
type User interface {
	Rekey(ring keys.Ring)
}

// File is a file of keys that is followed.
type File struct {
	path    string
	node    string
	every   time.Duration
	log     log.Logger
	metrics *metrics
	users   []User

	last string    // what the look before found
	ring keys.Ring // what is used

	mu    sync.Mutex
	fault error // why the file is not used as it is
}

// Read reads the keys in the file at path.
func Read(path string) (keys.Ring, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	if len(text) > maxSize {
		return nil, fmt.Errorf("%s: more than %d bytes", path, maxSize)
	}
	ring, err := keys.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return ring, nil
}

// Watch follows, once it runs, the file at path on behalf of users, who have
// the keys of ring already. node is the name of this node; reg may be nil.
func Watch(path, node string, ring keys.Ring, logger log.Logger, reg prometheus.Registerer, users ...User) *File {
	f := &File{path: path, node: node, every: Every, log: logger, metrics: newMetrics(reg), users: users,
		last: describe(ring, nil), ring: ring}
	f.metrics.show(ring)
	return f
}

// Run follows the file until ctx ends, and returns nil.
func (f *File) Run(ctx context.Context) error {
	level.Info(f.log).Log("msg", "gossip keys", "keys", strings.Join(f.ring.Names(), ","))
	ticker := time.NewTicker(f.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			f.look()
		}
	}
}

// look reads the file. What it finds counts when it finds it a second time,
// since somebody who writes the file in place may not be done.
func (f *File) look() {
	ring, err := Read(f.path)
	now := describe(ring, err)
	if now != f.last {
		f.last = now
		return
	}
	if f.note(err); err == nil && !slices.Equal(ring, f.ring) {
		f.change(ring)
	}
}

// describe is a text that is equal for equal findings.
func describe(ring keys.Ring, err error) string {
	if err != nil {
		return "error " + err.Error()
	}
	return fmt.Sprintf("keys %q", ring)
}

// note keeps err, or that there is none, and logs it if it is new.
func (f *File) note(err error) {
	f.mu.Lock()
	was := f.fault
	f.fault = err
	f.mu.Unlock()
	switch {
	case err != nil && (was == nil || was.Error() != err.Error()):
		f.metrics.refused.Inc()
		level.Error(f.log).Log("msg", "the file of gossip keys cannot be used: the keys stay as they were", "err", err)
	case err == nil && was != nil:
		level.Info(f.log).Log("msg", "the file of gossip keys can be used again")
	}
}

// change makes ring the keys.
func (f *File) change(ring keys.Ring) {
	hasty := keys.Hasty(f.ring, ring)
	for _, u := range f.users {
		u.Rekey(ring)
	}
	f.ring = ring
	f.metrics.show(ring)
	level.Info(f.log).Log("msg", "gossip keys changed", "keys", strings.Join(ring.Names(), ","))
	if hasty != nil {
		f.metrics.hasty.Inc()
		level.Warn(f.log).Log("msg", "gossip keys changed in one step that takes three: "+remedy, "err", hasty)
	}
}

// Problems tells why the file is not used as it is. It may be called at any time.
func (f *File) Problems() []config.Problem {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault == nil {
		return nil
	}
	return []config.Problem{{
		Object: config.Ref{Kind: config.KindNode, Key: config.Key{Name: f.node}},
		Field:  "gossip key", Reason: "Invalid",
		Message: fmt.Sprintf("the file cannot be used, the keys stay as they were: %v", f.fault),
		Remedy:  "mend the Secret: one key per line",
	}}
}
