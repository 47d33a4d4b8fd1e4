package speaker

import (
	"fmt"
	"slices"

	"github.com/steelyard-lb/steelyard/config/host"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// placed are sessions with the devices of the VRFs that their peers name, the
// list itself if none names one.
func placed(sessions []announce.Session, state host.State) []announce.Session {
	if !slices.ContainsFunc(sessions, func(s announce.Session) bool { return s.Peer.VRF != "" }) {
		return sessions
	}
	out := slices.Clone(sessions)
	for i := range out {
		if name := out[i].Peer.VRF; name != "" {
			out[i].VRF, out[i].Missing = vrfOf(name, state)
		}
	}
	return out
}

// vrfOf is the number of a VRF's device, or what is wrong with it, and the remedy.
func vrfOf(name string, state host.State) (index int, why string) {
	const other = "or choose other nodes by nodeSelectors"
	l, ok := state.Link(name)
	switch {
	case !ok:
		return 0, fmt.Sprintf("spec.vrf: this node has no VRF %s: create it, %s", name, other)
	case state.VRF(l) != name:
		return 0, fmt.Sprintf("spec.vrf: %s is no VRF on this node: write the name of a VRF device, %s", name, other)
	case !l.Up:
		return 0, fmt.Sprintf("spec.vrf: VRF %s is down on this node: set its device up, %s", name, other)
	}
	return l.Index, ""
}
