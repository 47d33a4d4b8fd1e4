package speaker

import (
	"slices"

	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/discovery"
)

// discover has the routers of the plan's peers by interface looked for.
func (a *Agent) discover() {
	a.Discovery.Apply(interfaces(a.plan.Sessions), a.host)
}

// sessions are those of the plan, each with where its router was found, and with
// the device of its VRF.
func (a *Agent) sessions() []announce.Session {
	return placed(located(a.plan.Sessions, a.Discovery.Findings()), a.host)
}

// interfaces are those of peers by interface, each once.
func interfaces(sessions []announce.Session) (names []string) {
	for _, s := range sessions {
		if name := s.Peer.Interface; name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// located are sessions with what was found of their routers, the list itself if
// none is to be found.
func located(sessions []announce.Session, found map[string]discovery.Finding) []announce.Session {
	if !slices.ContainsFunc(sessions, func(s announce.Session) bool { return s.Peer.Interface != "" }) {
		return sessions
	}
	out := slices.Clone(sessions)
	for i := range out {
		if name := out[i].Peer.Interface; name != "" {
			out[i].Found, out[i].Missing = found[name].Router, found[name].Why
		}
	}
	return out
}
