package failover

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/lab/network"
)

// The metrics of a trial.
const (
	MetricGap     = "gap"     // ms without a good answer, of the worse family
	MetricOutage  = "outage"  // ms from the event to the first good answer after the last failed request
	MetricGapSlow = "gap-1s"  // the same of keepalived with adverts of 1 s
	MetricFailed  = "failed"  // requests
	MetricSent    = "sent"    // requests
	MetricLast    = "last"    // ms from the event to the last failed request
	MetricARP     = "arp-gap" // ms without an answer to ARP
)

const (
	trials = 20
	calm   = 2 * time.Second // without a failed request: it is over
	lead   = time.Second     // of asking before the event
)

// errUnserved is wrapped when requests still fail long after the event.
var errUnserved = errors.New("not served again")

// trial is what was asked around an event.
type trial struct {
	at      time.Time // of the event
	probers []*prober
	arp     *arpProber // nil: not asked
}

// askFrom begins to ask addresses.
func askFrom(ns *network.Netns, port uint16, addrs ...netip.Addr) *trial {
	return askPatiently(ns, port, probeLimit, addrs...)
}

// askPatiently is askFrom with another limit for a request.
func askPatiently(ns *network.Netns, port uint16, limit time.Duration, addrs ...netip.Addr) *trial {
	t := &trial{}
	for _, addr := range addrs {
		t.probers = append(t.probers, startProber(ns, netip.AddrPortFrom(addr, port), limit))
	}
	return t
}

// hit lets the event happen after a while of asking, and asks on until all is
// quiet; then it puts things right again.
func (t *trial) hit(ctx context.Context, w *world, e event, node string) (err error) {
	time.Sleep(lead)
	t.at = time.Now()
	heal, err := e.strike(ctx, w, node)
	if err != nil {
		err = fmt.Errorf("%s of %s: %w", e.name, node, err)
	} else if err = await(ctx, patience, func() error { return t.over(e.asks) }); err != nil {
		err = fmt.Errorf("%w after %s of %s: %w", errUnserved, e.name, node, err)
	}
	t.end()
	if heal != nil {
		if e := heal(); e != nil {
			err = errors.Join(err, fmt.Errorf("put %s right again: %w", node, e))
		}
	}
	return err
}

// over is nil once all that was asked is answered again, and enough was asked.
func (t *trial) over(asks int) error {
	sent, now := 0, time.Now()
	for _, p := range t.probers {
		s := p.peek()
		sent += len(s)
		if err := s.quiet(t.at, now, calm); err != nil {
			return fmt.Errorf("%v: %w", p.Addr, err)
		}
	}
	if sent < asks {
		return fmt.Errorf("%d of %d requests made", sent, asks)
	}
	if t.arp != nil {
		return t.arp.answers(t.at)
	}
	return nil
}

// end stops asking.
func (t *trial) end() {
	for _, p := range t.probers {
		p.end()
	}
	if t.arp != nil {
		t.arp.end()
	}
}

// metrics are what the trial has measured.
func (t *trial) metrics() bench.Metrics {
	m := bench.Metrics{MetricGap: 0, MetricOutage: 0, MetricFailed: 0, MetricSent: 0, MetricLast: 0}
	for _, p := range t.probers {
		s := p.peek()
		m[MetricGap] = max(m[MetricGap], bench.Milliseconds(s.gap(t.at)))
		m[MetricOutage] = max(m[MetricOutage], bench.Milliseconds(s.outage(t.at)))
		m[MetricFailed] += float64(s.failed(t.at))
		m[MetricSent] += float64(len(s))
		if last, _ := s.lastFailure(); last.After(t.at) {
			m[MetricLast] = max(m[MetricLast], bench.Milliseconds(last.Sub(t.at)))
		}
	}
	if t.arp != nil {
		m[MetricARP] = bench.Milliseconds(t.arp.answered().gap(t.at))
	}
	return m
}
