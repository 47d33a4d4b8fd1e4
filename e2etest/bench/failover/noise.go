package failover

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/bench/usage"
	"github.com/steelyard-lb/steelyard/e2etest/cluster"
	"github.com/steelyard-lb/steelyard/e2etest/scenario"
)

// The metrics of a crowd in a noisy network.
const (
	MetricARP99 = "arp-p99" // ms to the answer of a question by ARP
	MetricCPU   = "cpu"     // % of a core, of the busiest speaker
	MetricIdle  = "idle"    // the same without noise
	MetricRSS   = "rss"     // MB, of the largest speaker
)

const (
	noiseRate = 20000 // frames a second
	// noiseLeast is what a machine must manage: less noise is another figure.
	noiseLeast = 18000
	noiseTime  = 10 * time.Second
	noiseAsk   = 5 * time.Millisecond
	settled    = 12 * time.Second // before memory is looked at
)

// foreign is what the noise asks for: nobody's address.
var foreign = netip.MustParseAddr("172.30.200.1")

// Noise measures with 1,000 Services the memory of the speakers, and, while
// somebody asks 20,000 times a second for addresses that are not ours, how long
// answers take and what that costs the speakers.
func (l *Lab) Noise() *bench.Rig {
	return l.rig("l2 noise", 0, func(ctx context.Context, w *world, _ bench.Side, _ int) (bench.Metrics, error) {
		if err := w.gather(ctx); err != nil {
			return nil, err
		}
		if _, err := w.whole(ctx, chosenEnds); err != nil {
			return nil, err
		}
		return w.listenInNoise()
	})
}

func (w *world) listenInNoise() (bench.Metrics, error) {
	idle, err := w.usage(func() error {
		time.Sleep(settled)
		return nil
	})
	if err != nil {
		return nil, err
	}
	rss, err := w.largest()
	if err != nil {
		return nil, err
	}
	var all []talk
	cpu, err := w.usage(func() (err error) {
		all, err = w.askInNoise()
		return err
	})
	if err != nil {
		return nil, err
	}
	return bench.Metrics{
		MetricARP99: bench.Percentile(waited(all), 99), MetricCPU: cpu, MetricIdle: idle, MetricRSS: rss,
	}, nil
}

// askInNoise asks for the addresses of the crowd while there is noise.
func (w *world) askInNoise() ([]talk, error) {
	arp, err := startARPProber(w.ear, noiseAsk, w.crowd...)
	if err != nil {
		return nil, err
	}
	rate, err := w.makeNoise(noiseTime)
	all, e := arp.end()
	if err := errors.Join(err, e); err != nil {
		return nil, err
	}
	if rate < noiseLeast {
		return nil, fmt.Errorf("this machine managed %.0f frames a second, of %d", rate, noiseRate)
	}
	return all, nil
}

// makeNoise asks for foreign addresses from the client, so many times a second
// as it can up to the rate, which it returns.
func (w *world) makeNoise(length time.Duration) (perSecond float64, err error) {
	e, err := listen(w.client, arpReply)
	if err != nil {
		return 0, err
	}
	defer e.Close()
	frame := arpFrame{op: arpRequest, sender: e.MAC, senderIP: e.ip, target: foreign}.encode()
	start, sent := time.Now(), 0
	for since := time.Duration(0); since < length; since = time.Since(start) {
		for due := int(since.Seconds() * noiseRate); sent < due; sent++ {
			if err := e.Send(frame); err != nil {
				return 0, fmt.Errorf("make noise: %w", err)
			}
		}
		time.Sleep(time.Millisecond)
	}
	return float64(sent) / time.Since(start).Seconds(), nil
}

// speakers are the containers of each node's speaker.
func (w *world) speakers() (map[string][]cluster.ContainerPid, error) {
	out := map[string][]cluster.ContainerPid{}
	for _, node := range w.lab.Nodes() {
		all, err := w.cluster.Pids(node)
		if err != nil {
			return nil, err
		}
		for _, p := range all {
			if p.Namespace == scenario.System && strings.HasPrefix(p.Pod, scenario.Release+"-speaker-") {
				out[node] = append(out[node], p)
			}
		}
		if out[node] == nil {
			return nil, errors.New(node + " runs no speaker")
		}
	}
	return out, nil
}

// largest is the memory of the largest speaker, in MB.
func (w *world) largest() (most float64, err error) {
	all, err := w.speakers()
	if err != nil {
		return 0, err
	}
	for _, list := range all {
		for _, p := range list {
			if p.Container != speakerContainer {
				continue
			}
			mb, err := usage.Memory(p.Pid)
			if err != nil {
				return 0, err
			}
			most = max(most, mb)
		}
	}
	return most, nil
}

// usage is what the busiest speaker uses of a core while something is done, in
// percent.
func (w *world) usage(during func() error) (float64, error) {
	before, err := w.spent()
	if err != nil {
		return 0, err
	}
	start := time.Now()
	if err := during(); err != nil {
		return 0, err
	}
	took := time.Since(start)
	after, err := w.spent()
	if err != nil {
		return 0, err
	}
	busiest := time.Duration(0)
	for node, spent := range after {
		busiest = max(busiest, spent-before[node])
	}
	return 100 * busiest.Seconds() / took.Seconds(), nil
}

// spent is the processor time of each node's speaker, all of its containers.
func (w *world) spent() (map[string]time.Duration, error) {
	all, err := w.speakers()
	if err != nil {
		return nil, err
	}
	out := map[string]time.Duration{}
	for node, list := range all {
		for _, p := range list {
			spent, err := usage.CPU(p.Pid)
			if err != nil {
				return nil, fmt.Errorf("%s on %s: %w", p.Container, node, err)
			}
			out[node] += spent
		}
	}
	return out, nil
}
