package forwarding

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/bench/load"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
)

// The metrics of traffic.
const (
	MetricWork = "work" // per second of processor time of both ends and what is between
	MetricRate = "rate" // per second
	MetricBusy = "busy" // processor seconds that the whole machine spent in a second
)

// rounds are so many, and so short, that both sides meet the same moments of a
// busy machine.
const (
	rounds    = 15
	warmup    = 200 * time.Millisecond
	roundTime = 1500 * time.Millisecond
)

// flows is how many questions of a kind are under way at a time.
var flows = map[load.Kind]int{load.Conn: 32, load.RR: 64, load.UDP: 8, load.Bytes: 8}

// many is where the cost of Services shows, if they have one.
const many = 10_000

// Conn measures new connections, each with a question and an answer.
func (l *Lab) Conn() *bench.Rig { return l.beside("l4 conn", load.Conn, setup{ours, 1}) }

// RR measures questions and answers on open connections.
func (l *Lab) RR() *bench.Rig { return l.beside("l4 rr", load.RR, setup{ours, 1}) }

// UDP measures datagrams of open flows.
func (l *Lab) UDP() *bench.Rig { return l.beside("l4 udp", load.UDP, setup{ours, 1}) }

// Bytes measures how much open connections carry.
func (l *Lab) Bytes() *bench.Rig { return l.beside("l4 bytes", load.Bytes, setup{ours, 1}) }

// ConnMasq is Conn with backends on another node.
func (l *Lab) ConnMasq() *bench.Rig { return l.beside("l4 conn-masq", load.Conn, setup{masks, 1}) }

// ConnMany is Conn to 10,000 Services in turn.
func (l *Lab) ConnMany() *bench.Rig { return l.beside("l4 conn-10k", load.Conn, setup{ours, many}) }

// beside measures a setup beside the plain router, where as many addresses are
// asked.
func (l *Lab) beside(name string, kind load.Kind, s setup) *bench.Rig {
	return l.rig(name, rounds, func(ctx context.Context, b *bed, side bench.Side) (bench.Metrics, error) {
		if side == bench.Peers {
			return b.ask(ctx, kind, setup{plain, s.services})
		}
		return b.ask(ctx, kind, s)
	})
}

// ConnKubeProxy is Conn beside kube-proxy's nftables mode, at 1 and at 1,000
// Services. The metrics are named [Work] of each.
func (l *Lab) ConnKubeProxy() *bench.Rig {
	return l.versus("l4 conn-vs-kubeproxy", rounds, nftables, 1, 1000)
}

// ConnIPTables is Conn beside kube-proxy's iptables mode, at 10,000 Services.
func (l *Lab) ConnIPTables() *bench.Rig {
	return l.versus("l4 conn-vs-iptables", 9, iptables, many)
}

// Work names what [Lab.ConnKubeProxy] and [Lab.ConnIPTables] measure with so
// many Services.
func Work(services int) string { return MetricWork + "-" + strconv.Itoa(services) }

func (l *Lab) versus(name string, rounds int, rival forwarder, sizes ...int) *bench.Rig {
	return l.rig(name, rounds, func(ctx context.Context, b *bed, side bench.Side) (bench.Metrics, error) {
		by, all := ours, bench.Metrics{}
		if side == bench.Peers {
			by = rival
		}
		for _, n := range sizes {
			m, err := b.ask(ctx, load.Conn, setup{by, n})
			if errors.Is(err, errNoAnswer) { // which is an answer, too: it is as slow as can be
				m, err = bench.Metrics{MetricWork: 0, MetricRate: 0, MetricBusy: 0}, nil
			}
			if err != nil {
				return nil, err
			}
			for metric, v := range m {
				all[metric+"-"+strconv.Itoa(n)] = v
			}
		}
		return all, nil
	})
}

// ask makes traffic for a round.
func (b *bed) ask(ctx context.Context, kind load.Kind, s setup) (bench.Metrics, error) {
	w, err := b.way(ctx, s)
	if err != nil {
		return nil, err
	}
	r, err := b.load(load.Spec{
		Kind: kind, First: w.first, Count: s.services, Flows: flows[kind], Warmup: warmup, Time: roundTime, Server: b.server.Pid,
	})
	if err != nil {
		return nil, fmt.Errorf("%s by %s: %w", kind, s.by, err)
	}
	if r.Done == 0 || r.Failed*1000 > r.Done {
		return nil, fmt.Errorf("%s by %s: %d of %d failed", kind, s.by, r.Failed, r.Done+r.Failed)
	}
	return bench.Metrics{
		MetricWork: r.PerCPU(), MetricRate: r.PerSecond(), MetricBusy: r.Busy.Seconds() / r.Took.Seconds(),
	}, nil
}

// load runs the asking end in a process of its own.
func (b *bed) load(spec load.Spec) (r load.Result, err error) {
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	order, err := json.Marshal(spec)
	if err != nil {
		return r, err
	}
	out, err := proc.Output(b.asker, nil, self, "-ask", string(order))
	if err == nil {
		err = json.Unmarshal([]byte(out), &r)
	}
	return r, err
}
