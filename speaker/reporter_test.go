package speaker

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/bgp"
)

type reports struct {
	mu    sync.Mutex
	err   error
	tries int
	got   []int // claims of each report written
}

func (r *reports) WriteReport(_ context.Context, report config.SpeakerReport) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tries++; r.err == nil {
		r.got = append(r.got, report.Claims)
	}
	return r.err
}

// with runs a reporter that writes to store.
func with(t *testing.T, out io.Writer, store *reports, fn func(r *reporter)) {
	synctest.Test(t, func(t *testing.T) {
		r := newReporter(log.NewLogfmtLogger(log.NewSyncWriter(out)), store)
		ctx, cancel := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() { _ = r.Run(ctx) }) // always nil
		fn(r)
		cancel()
		done.Wait()
	})
}

func TestReportsOncePerSecond(t *testing.T) {
	store := &reports{}
	with(t, io.Discard, store, func(r *reporter) {
		for i := range 50 { // 5 s
			r.Put(config.SpeakerReport{Claims: i})
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
	})
	if n := len(store.got); n < 4 || n > 7 || store.got[0] != 0 || store.got[n-1] != 49 {
		t.Errorf("written %v, want the first at once, the last one, and one a second between", store.got)
	}
}

func TestReportsOnChangeOnly(t *testing.T) {
	store := &reports{}
	with(t, io.Discard, store, func(r *reporter) {
		for _, claims := range []int{1, 1, 1, 2, 2} {
			r.Put(config.SpeakerReport{Claims: claims, Problems: []string{"p"}})
			time.Sleep(5 * time.Second)
		}
	})
	if !slices.Equal(store.got, []int{1, 2}) {
		t.Errorf("written %v", store.got)
	}
}

// What a router sends and how fast may change all the time.
func TestReportsCountsNowAndThen(t *testing.T) {
	store := &reports{}
	session := func(i int) []config.SessionReport {
		return []config.SessionReport{{Peer: "tor", Received: i, BFD: config.BFDReport{State: "Up", Interval: time.Duration(i)}}}
	}
	with(t, io.Discard, store, func(r *reporter) {
		r.Put(config.SpeakerReport{})
		for i := range 60 { // one minute
			r.Put(config.SpeakerReport{Claims: 1, Sessions: session(i)})
			time.Sleep(time.Second)
		}
		r.Put(config.SpeakerReport{Claims: 2, Sessions: session(60)}) // news do not wait
		time.Sleep(2 * time.Second)
		r.Put(config.SpeakerReport{Claims: 2, Sessions: session(61)}) // nor are counts forgotten
		time.Sleep(countsEvery)
	})
	if n := len(store.got); n < 6 || n > 10 || !slices.Equal(store.got[n-2:], []int{2, 2}) {
		t.Errorf("written %v", store.got)
	}
}

func TestReportsTriesAgainWithTheNewest(t *testing.T) {
	store, out := &reports{err: errors.New("no API")}, &strings.Builder{}
	with(t, out, store, func(r *reporter) {
		r.Put(config.SpeakerReport{Claims: 1})
		time.Sleep(10500 * time.Millisecond)
		r.Put(config.SpeakerReport{Claims: 2})
		store.mu.Lock()
		store.err = nil
		store.mu.Unlock()
		time.Sleep(3 * time.Second)
	})
	if !slices.Equal(store.got, []int{2}) || store.tries > 12 {
		t.Errorf("written %v in %d attempts", store.got, store.tries)
	}
	if strings.Count(out.String(), "\n") != 2 {
		t.Errorf("log:\n%s", out)
	}
}

// A report says what a person wants to know of this node.
func TestReport(t *testing.T) {
	story(t, 1, func(r *rig) {
		r.Faults = func() []config.Problem { return []config.Problem{{Field: "ip_forward", Message: "is 0"}} }
		twin := r.serve(config.Key{Name: "twin"}, addr4, "n1")
		twin.Created = time.Now().Add(time.Hour)
		r.serve(web, addr4, "n1")
		r.set(func() {
			r.states = []bgp.SessionState{{Peer: "router", State: "Active", Failing: bgp.Reason{Text: "refused"}, Problem: "no password", ASN: 64501, Families: []string{"ipv6"}}}
		})
		r.run()
		r.pass(2 * time.Second)
		got := r.reports[len(r.reports)-1]
		if got.Node != "n1" || got.Forwarder != config.ForwarderReady || got.Claims != 1 || len(got.Problems) != 3 ||
			len(got.Sessions) != 1 || got.Sessions[0].LastDrop == "" || got.Sessions[0].ASN != 64501 || len(got.Sessions[0].Families) != 1 || len(got.Links) != 1 || len(got.Exceptions) != 0 {
			t.Errorf("%+v", got)
		}

		r.serve(web, addr4)
		r.serve(config.Key{Name: "twin"}, addr4)
		r.publishAll()
		r.pass(2 * time.Second)
		if got = r.reports[len(r.reports)-1]; len(got.Exceptions) != 2 || got.Exceptions[0].Reason != config.ExceptionNoEndpoints {
			t.Errorf("without endpoints: %+v", got)
		}

		r.set(func() { r.tableErr = errors.New("busy") })
		r.publishAll()
		r.set(func() { r.states = nil })
		r.pass(2 * time.Second)
		got = r.reports[len(r.reports)-1]
		if got.Forwarder != config.ForwarderNotReady || got.ForwarderMessage != "busy" || len(got.Sessions) != 0 {
			t.Errorf("%+v", got)
		}
		r.stop()
	})
}

func TestLooksForFaultsNowAndThen(t *testing.T) {
	story(t, 1, func(r *rig) {
		var looks atomic.Int32
		r.Faults = func() []config.Problem { looks.Add(1); return nil }
		r.run()
		for range 100 {
			r.changed <- struct{}{} // sessions come and go
			r.pass(10 * time.Millisecond)
		}
		if looks.Load() != 1 {
			t.Errorf("looked %d times in a second", looks.Load())
		}
		r.pass(faultsEvery)
		if looks.Load() != 2 {
			t.Errorf("looked %d times after %v", looks.Load(), faultsEvery)
		}
		r.stop()
	})
}
