package crowded

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
)

// The metrics of changes, in ms.
const (
	MetricChange50 = "p50"
	MetricChange99 = "p99"
)

const (
	changeRounds = 9
	changes      = 200 // of a round
	between      = 30 * time.Millisecond
	askEvery     = time.Millisecond
	changeLimit  = 5 * time.Second
)

// Change replaces the only endpoint of one Service again and again, while a
// client makes a connection to it each millisecond: from the moment at which the
// API server tells a watcher of the change until the first connection begins that
// ends at the new endpoint.
func (l *Lab) Change() *bench.Rig {
	return l.rig("l4 change", changeRounds, func(ctx context.Context, w *world) (bench.Metrics, error) {
		if w.speaker == nil {
			if err := w.startSpeaker(ctx); err != nil {
				return nil, err
			}
			if err := w.routed(ctx); err != nil {
				return nil, err
			}
		}
		return w.changeMany(ctx)
	})
}

func (w *world) changeMany(ctx context.Context) (bench.Metrics, error) {
	told, err := w.watchChanged(ctx)
	if err != nil {
		return nil, err
	}
	defer told.stop()
	f := w.follow(vip(crowd))
	defer f.end()
	var took []float64
	for i := range changes {
		to := pod(crowd*endpoints + (i+1)%2)
		at, err := w.replace(ctx, told, to)
		if err != nil {
			return nil, err
		}
		follows, err := f.await(to.String())
		if err != nil {
			return nil, fmt.Errorf("change %d: %w", i+1, errors.Join(err, w.ended()))
		}
		took = append(took, max(0, bench.Milliseconds(follows.Sub(at))))
		if err := bench.Pause(ctx, between); err != nil {
			return nil, err
		}
	}
	return bench.Metrics{MetricChange50: bench.Median(took), MetricChange99: bench.Percentile(took, 99)}, nil
}

// replace makes an address the only endpoint, and says when the API server told
// of it.
func (w *world) replace(ctx context.Context, told *told, to netip.Addr) (time.Time, error) {
	slice := sliceOf(changed, []netip.Addr{to})
	if _, err := w.admin.DiscoveryV1().EndpointSlices(namespace).Update(ctx, slice, metav1.UpdateOptions{}); err != nil {
		return time.Time{}, err
	}
	for limit := time.After(changeLimit); ; {
		select {
		case t := <-told.news:
			if t.addr == to.String() {
				return t.at, nil
			}
		case <-limit:
			return time.Time{}, fmt.Errorf("the API server does not tell of endpoint %v", to)
		}
	}
}

// told is a watch of the endpoints of one Service.
type told struct {
	news chan news
	stop func()
}

type news struct {
	addr string
	at   time.Time
}

func (w *world) watchChanged(ctx context.Context) (*told, error) {
	watch, err := w.streams.DiscoveryV1().EndpointSlices(namespace).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + changed})
	if err != nil {
		return nil, fmt.Errorf("watch endpoints: %w", err)
	}
	t := &told{news: make(chan news, 2*changes), stop: watch.Stop}
	go func() {
		for event := range watch.ResultChan() {
			at := time.Now()
			if slice, ok := event.Object.(*discoveryv1.EndpointSlice); ok && len(slice.Endpoints) == 1 {
				t.news <- news{slice.Endpoints[0].Addresses[0], at}
			}
		}
	}()
	return t, nil
}

// follower makes connections to an address, one each millisecond, one after the
// other.
type follower struct {
	stop  chan struct{}
	ended sync.WaitGroup

	mu   sync.Mutex // guards what follows
	last string     // the endpoint of the last connection
	from time.Time  // when the first connection to it began
	err  error      // of the last connection
}

// follow makes connections until it is ended.
func (w *world) follow(addr netip.Addr) *follower {
	f := &follower{stop: make(chan struct{})}
	f.ended.Go(func() {
		err := w.client.Netns.Do(func() error {
			tick := time.NewTicker(askEvery)
			defer tick.Stop()
			for {
				select {
				case <-f.stop:
					return nil
				case <-tick.C:
				}
				began := time.Now()
				end, err := connectTo(addr)
				f.note(began, end, err)
			}
		})
		if err != nil {
			f.note(time.Now(), "", err)
		}
	})
	return f
}

func (f *follower) note(began time.Time, end string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err = err; err == nil && end != f.last {
		f.last, f.from = end, began
	}
}

// await waits until connections end at an endpoint, and says since when.
func (f *follower) await(end string) (time.Time, error) {
	for limit := time.Now().Add(changeLimit); ; time.Sleep(askEvery) {
		f.mu.Lock()
		last, from, err := f.last, f.from, f.err
		f.mu.Unlock()
		if last == end {
			return from, nil
		}
		if time.Now().After(limit) {
			return time.Time{}, errors.Join(fmt.Errorf("connections still end at %q, not at %s", last, end), err)
		}
	}
}

func (f *follower) end() {
	close(f.stop)
	f.ended.Wait()
}
