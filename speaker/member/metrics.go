package member

import (
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/speaker/announce"
)

type metrics struct {
	members                   *prometheus.GaugeVec
	undecrypted, joinFailures prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, health func() float64) *metrics {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "steelyard", Subsystem: "member", Name: name, Help: help}
	}
	m := &metrics{
		members: prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("nodes", "Members by state, this node included.")), []string{"state"}),
		undecrypted: prometheus.NewCounter(prometheus.CounterOpts(opts("undecrypted_total",
			"Messages dropped because they could not be decrypted."))),
		joinFailures: prometheus.NewCounter(prometheus.CounterOpts(opts("join_failures_total",
			"Attempts to reach a missing member that failed."))),
	}
	score := prometheus.NewGaugeFunc(prometheus.GaugeOpts(opts("health_score",
		"How far this node is from meeting gossip's deadlines; 0 is well.")), health)
	if reg != nil {
		reg.MustRegister(m.members, m.undecrypted, m.joinFailures, score)
	}
	return m
}

func (m *Membership) health() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.list == nil {
		return 0
	}
	return float64(m.list.GetHealthScore())
}

func stateOf(m announce.Member) string {
	switch {
	case m.Restarting:
		return "restarting"
	case m.Leaving:
		return "leaving"
	case m.Joining:
		return "joining"
	case m.Alive:
		return "alive"
	}
	return "dead"
}

// report counts members by state and logs those that changed it.
func (m *Membership) report(before, after []announce.Member) {
	was := map[string]string{}
	for _, b := range before {
		was[b.Node] = stateOf(b)
	}
	count := map[string]int{"alive": 0, "joining": 0, "leaving": 0, "restarting": 0, "dead": 0}
	for _, a := range after {
		state := stateOf(a)
		count[state]++
		if was[a.Node] != state {
			level.Info(m.log).Log("msg", "member is "+state, "node", a.Node)
		}
		delete(was, a.Node)
	}
	for node := range was {
		level.Info(m.log).Log("msg", "member is gone", "node", node)
	}
	for state, n := range count {
		m.metrics.members.WithLabelValues(state).Set(float64(n))
	}
}
