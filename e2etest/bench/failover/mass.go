package failover

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/lab"
)

// The metrics of a takeover. They are taken from the event, since nobody outside
// can know when a speaker has seen it: the time of detection is part of them.
const (
	MetricTakeover = "takeover" // ms to the last announcement
	MetricFirst    = "first"    // ms to the first announcement
)

const (
	// announced is how long a node announces an address that it has taken over.
	announced = 8 * time.Second
	// massPatience is what the survivors get to announce all.
	massPatience = time.Minute
)

// MassTakeover cuts the power of the owner of 1,000 addresses.
func (l *Lab) MassTakeover() *bench.Rig {
	return l.rig("l2 mass-takeover", 0, func(ctx context.Context, w *world, _ bench.Side, round int) (bench.Metrics, error) {
		if err := w.gather(ctx); err != nil {
			return nil, err
		}
		nodes := w.lab.Nodes()
		return w.takeOver(ctx, nodes[round%len(nodes)])
	})
}

// pile lets a node have all addresses of the crowd, and then lets others have
// them, too: the owner keeps them as long as it lives.
func (w *world) pile(ctx context.Context, node string) error {
	if _, err := w.whole(ctx, chosenEnds); err != nil {
		return err
	}
	if err := w.crowdMay(ctx, node); err != nil {
		return err
	}
	at := func() error { return w.crowdAt(ctx, node) }
	if err := await(ctx, crowdPatience, at); err != nil {
		return err
	}
	time.Sleep(announced)
	if err := w.crowdMay(ctx, ""); err != nil {
		return err
	}
	time.Sleep(calm)
	return at()
}

func (w *world) takeOver(ctx context.Context, victim string) (m bench.Metrics, err error) {
	if err := w.pile(ctx, victim); err != nil {
		return nil, err
	}
	news, err := newsOf(w.ear, w.crowd, w.lab, victim)
	if err != nil {
		return nil, err
	}
	at := time.Now()
	if err := w.cluster.PowerOff(victim); err != nil {
		return nil, errors.Join(err, news.end())
	}
	defer func() { err = errors.Join(err, w.cluster.PowerOn(ctx, victim)) }()
	err = await(ctx, massPatience, news.complete)
	if err := errors.Join(err, news.end()); err != nil {
		return nil, err
	}
	return bench.Metrics{MetricTakeover: bench.Milliseconds(news.last.Sub(at)), MetricFirst: bench.Milliseconds(news.first.Sub(at))}, nil
}

// news takes note of the first announcement of each address by a new owner.
type news struct {
	ear   *ear
	want  map[netip.Addr]bool // not announced yet
	isOld func(arpFrame) bool
	stop  chan struct{}
	ended sync.WaitGroup

	mu          sync.Mutex // guards what follows, and want
	first, last time.Time  // when they came
	err         error
}

func newsOf(host *lab.Host, addrs []netip.Addr, l *lab.Lab, victim string) (*news, error) {
	e, err := listen(host, 0)
	if err != nil {
		return nil, err
	}
	n := &news{ear: e, want: map[netip.Addr]bool{}, stop: make(chan struct{}),
		isOld: func(f arpFrame) bool { return l.OwnerOfMAC(f.sender) == victim }}
	for _, addr := range addrs {
		n.want[addr] = true
	}
	n.ended.Go(n.listen)
	return n, nil
}

func (n *news) listen() {
	for {
		select {
		case <-n.stop:
			return
		default:
		}
		f, at, ok, err := n.ear.hear()
		n.mu.Lock()
		n.err = errors.Join(n.err, err)
		if ok && n.want[f.senderIP] && f.gratuitous() && !n.isOld(f) {
			delete(n.want, f.senderIP)
			if n.last = at; n.first.IsZero() {
				n.first = at
			}
		}
		n.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// complete is nil once all addresses were announced.
func (n *news) complete() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.want) > 0 {
		return fmt.Errorf("%d addresses were not announced", len(n.want))
	}
	return n.err
}

func (n *news) end() error {
	close(n.stop)
	n.ended.Wait()
	return errors.Join(n.err, n.ear.Close())
}
