package failover

import (
	"context"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
)

const (
	plannedRounds = 5
	plannedAsks   = 2000 // in a round: 10,000 in all
)

// PowerOff cuts the power of the owner, and beside it that of keepalived's
// master.
func (l *Lab) PowerOff() *bench.Rig {
	return l.dying(event{name: "poweroff", set: chosenEnds, strike: powerOff})
}

// LinkCut pulls the owner's cable to the LAN.
func (l *Lab) LinkCut() *bench.Rig {
	return l.dying(event{name: "linkcut", set: chosenEnds, strike: cutLink})
}

// Freeze halts the owner.
func (l *Lab) Freeze() *bench.Rig {
	return l.dying(event{name: "freeze", set: chosenEnds, strike: freeze})
}

// Endpoints cuts the power of an owner that has endpoints, too.
func (l *Lab) Endpoints() *bench.Rig {
	return l.of(event{name: "endpoints", set: allEnds, strike: powerOff}, trials)
}

// SpeakerKill kills the owner's speaker and asks by ARP, too.
func (l *Lab) SpeakerKill() *bench.Rig {
	return l.of(event{name: "speaker-kill", set: chosenEnds, strike: killSpeaker, arp: true}, trials)
}

// Drain drains the owner.
func (l *Lab) Drain() *bench.Rig {
	return l.of(event{name: "planned-drain", set: chosenEnds, strike: drain, asks: plannedAsks}, plannedRounds)
}

// Rebalance moves addresses by command.
func (l *Lab) Rebalance() *bench.Rig {
	return l.of(event{name: "planned-rebalance", set: chosenEnds, strike: rebalance, asks: plannedAsks}, plannedRounds)
}

// Rollout replaces all speakers.
func (l *Lab) Rollout() *bench.Rig {
	return l.of(event{name: "rollout", set: chosenEnds, strike: rollOut, asks: plannedAsks}, plannedRounds)
}

// NodeReturn switches a node on that was an owner before it lost its power.
func (l *Lab) NodeReturn() *bench.Rig {
	return l.of(event{name: "node-return", set: chosenEnds, before: loseAndWait, strike: comeBack, asks: plannedAsks}, plannedRounds)
}

// dying is a rig with keepalived beside us.
func (l *Lab) dying(e event) *bench.Rig {
	return l.rig("l2 "+e.name, trials, func(ctx context.Context, w *world, side bench.Side, round int) (bench.Metrics, error) {
		if side == bench.Peers {
			return w.hitKeepalived(ctx, e, round)
		}
		return w.hitOwner(ctx, e)
	})
}

// of is a rig without a peer.
func (l *Lab) of(e event, rounds int) *bench.Rig {
	return l.rig("l2 "+e.name, rounds, func(ctx context.Context, w *world, _ bench.Side, _ int) (bench.Metrics, error) {
		return w.hitOwner(ctx, e)
	})
}

// hitOwner is one trial of ours.
func (w *world) hitOwner(ctx context.Context, e event) (bench.Metrics, error) {
	to, err := w.aim(ctx, e.set)
	if err != nil {
		return nil, err
	}
	if e.before != nil {
		if err := e.before(ctx, w, to.node); err != nil {
			return nil, err
		}
	}
	t := askFrom(w.client.Netns, port, to.addrs...)
	if e.arp {
		if t.arp, err = startARPProber(w.ear, probeEvery, to.addrs[0]); err != nil {
			t.end()
			return nil, err
		}
	}
	if err := t.hit(ctx, w, e, to.node); err != nil {
		return nil, err
	}
	return w.judge(t, e), nil
}

// judge is what a trial has measured; what failed is told, and logs are kept if
// nothing should have.
func (w *world) judge(t *trial, e event) bench.Metrics {
	for _, p := range t.probers {
		if story := p.peek().story(t.at); story != "" {
			w.env.Say("%v: %s", p.Addr, story)
		}
	}
	m := t.metrics()
	if e.asks > 0 && m[MetricFailed] > 0 {
		w.keepLogs(e.name)
	}
	return m
}
