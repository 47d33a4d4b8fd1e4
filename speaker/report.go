package speaker

import (
	"cmp"
	"context"
	"reflect"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// faultsEvery is the time between two looks for faults. Those of this host are
// files of the kernel, several for each interface.
const faultsEvery = 30 * time.Second

// watchFaults looks for faults now and then, away from the loop.
func (a *Agent) watchFaults(ctx context.Context) error {
	ticker := time.NewTicker(faultsEvery)
	defer ticker.Stop()
	var last []config.Problem
	for {
		if now := a.Faults(); !reflect.DeepEqual(now, last) {
			last = now
			a.faults.Put(now)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// exceptions are those of a plan, as a report has them. The same ones are the
// same list.
type exceptions struct {
	silences []announce.Silence
	list     []config.Exception
}

func (e *exceptions) of(silences []announce.Silence) []config.Exception {
	if len(silences) == len(e.silences) && (len(silences) == 0 || &silences[0] == &e.silences[0]) {
		return e.list
	}
	e.silences, e.list = silences, nil
	for _, s := range silences {
		e.list = append(e.list, config.Exception{Service: s.Service, Addr: s.Addr, Reason: s.Reason, Message: s.Message})
	}
	return e.list
}

// report hands the state of this node to the reporter, once there is one.
func (a *Agent) report() {
	if a.namesake {
		return // the status is the other's
	}
	if !a.complete() {
		return
	}
	r := config.SpeakerReport{
		Node: a.Node, Version: a.Version, Forwarder: config.ForwarderReady, Claims: len(a.claimed()),
	}
	switch {
	case a.Forwarder == nil:
		r.Forwarder = config.ForwarderOff
	case a.table.fault != nil:
		r.Forwarder, r.ForwarderMessage = config.ForwarderNotReady, a.table.fault.Error()
	}
	watched, blind := a.guard.Report()
	r.Problems = append(r.Problems, blind...)
	for _, s := range a.Routers.States() {
		r.Sessions = append(r.Sessions, config.SessionReport{
			Peer: s.Peer, Addr: s.Addr, State: s.State, Since: s.Since, Prefixes: s.Prefixes, LastDrop: cmp.Or(s.Why(), s.LastDrop.Text),
			DroppedAt: s.LastDropAt, ASN: s.ASN, BFD: watched[s.Peer],
			HoldTime: s.HoldTime, KeepaliveTime: s.Keepalive, Families: s.Families, Received: s.Received,
		})
		if s.Problem != "" {
			r.Problems = append(r.Problems, s.Problem)
		}
	}
	r.Problems = append(r.Problems, a.Inbound.Problems()...)
	for _, p := range slices.Concat(a.deadEnds, a.blocked) {
		r.Problems = append(r.Problems, p.Error())
	}
	r.Problems = append(r.Problems, a.table.problems...)
	r.Problems = append(r.Problems, a.conflicts()...)
	for _, p := range a.ailing {
		r.Problems = append(r.Problems, p.String())
	}
	for _, l := range a.links {
		r.Links = append(r.Links, config.LinkReport{Name: l.Name, Subnets: l.Prefixes})
	}
	r.Exceptions = a.exceptions.of(a.plan.Exceptions)
	slices.Sort(r.Problems)
	a.reports.Put(r)
}
