package speaker

import "github.com/steelyard-lb/steelyard/speaker/announce"

// takeIn has the kernel follow what the routers send, as far as it is to be used.
// What an earlier life of this process has left goes when the first sessions are
// complete.
func (a *Agent) takeIn() {
	if a.namesake || !a.complete() {
		return
	}
	learnt := map[string][]announce.Learnt{}
	for _, s := range a.Routers.States() {
		learnt[s.Peer] = s.Learnt
	}
	sessions := a.sessions()
	a.Inbound.Apply(announce.Inbound(sessions, learnt, a.host), a.arrival.over)
	a.deadEnds = announce.DeadEnds(sessions, learnt)
}
