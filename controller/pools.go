package controller

import (
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ipam"
)

const (
	reasonValid = "Valid"
	noFault     = "no fault was found"
)

// verdicts is what the status of every configuration object of ours shall say:
// whether it is valid, and on pools how much is left. Valid objects are those
// in the snapshot, in namespace; the others are known by their problems.
func verdicts(snap *config.Snapshot, use []ipam.PoolUse, namespace string) map[config.Ref]config.PoolStatus {
	out := map[config.Ref]config.PoolStatus{}
	valid := func(kind config.Kind, name string, status config.PoolStatus) {
		status.Conditions = []config.Condition{{
			Type: config.ConditionValid, Status: true, Reason: reasonValid, Message: noFault,
		}}
		out[config.Ref{Kind: kind, Key: config.Key{Namespace: namespace, Name: name}}] = status
	}
	for _, u := range use {
		valid(config.KindIPAddressPool, u.Pool, config.PoolStatus{
			Assigned4: u.Assigned4, Assigned6: u.Assigned6,
			Available4: u.Available4, Available6: u.Available6,
		})
	}
	for _, a := range snap.L2 {
		valid(config.KindL2Advertisement, a.Name, config.PoolStatus{})
	}
	for _, a := range snap.BGP {
		valid(config.KindBGPAdvertisement, a.Name, config.PoolStatus{})
	}
	for _, p := range snap.BFD {
		valid(config.KindBFDProfile, p.Name, config.PoolStatus{})
	}
	for _, c := range snap.Communities {
		valid(config.KindCommunity, c.Name, config.PoolStatus{})
	}
	for _, p := range snap.Peers {
		valid(config.KindBGPPeer, p.Name, config.PoolStatus{})
	}
	for ref, list := range faults(snap.Problems) {
		status := out[ref]
		status.Conditions = []config.Condition{invalid(list)}
		out[ref] = status
	}
	for _, p := range snap.Peers {
		ref := peerRef(p, namespace)
		status := out[ref]
		status.Conditions = append(status.Conditions, sessionsOf(p, snap).condition())
		out[ref] = status
	}
	return out
}

// faults groups the problems of our own configuration objects.
func faults(problems []config.Problem) map[config.Ref][]config.Problem {
	out := map[config.Ref][]config.Problem{}
	for _, p := range problems {
		switch p.Object.Kind {
		case config.KindIPAddressPool, config.KindL2Advertisement, config.KindBGPAdvertisement, config.KindBGPPeer, config.KindBFDProfile, config.KindCommunity,
			config.KindIPReservation:
			out[p.Object] = append(out[p.Object], p)
		}
	}
	return out
}

func invalid(problems []config.Problem) config.Condition {
	texts := make([]string, len(problems))
	for i, p := range problems {
		texts[i] = p.String()
	}
	return config.Condition{
		Type: config.ConditionValid, Reason: problems[0].Reason, Message: strings.Join(texts, "; "),
	}
}
