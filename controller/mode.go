package controller

import "github.com/steelyard-lb/steelyard/config"

// modeOf decides the ipMode of all our addresses (KEP-1860). With Proxy,
// kube-proxy leaves them to our forwarder; so it waits until the speaker of
// every Ready node reported its table ready. From then on Proxy stays while the
// forwarder is on: a node that joins later takes no traffic before its speaker
// is ready, and must not make kube-proxy of all others take it meanwhile.
// Without the forwarder it is VIP.
func modeOf(forwarder bool, before config.IPMode, snap *config.Snapshot) config.IPMode {
	switch {
	case !forwarder:
		return config.IPModeVIP
	case before == config.IPModeProxy:
		return config.IPModeProxy
	}
	ready := 0
	for name, node := range snap.Nodes.All() {
		if !node.Ready {
			continue
		}
		if s, ok := snap.Speakers.Get(name); !ok || !s.ForwarderReady {
			return config.IPModeVIP
		}
		ready++
	}
	if ready == 0 {
		return config.IPModeVIP
	}
	return config.IPModeProxy
}

// modeShown is the mode that a leader before us wrote: Proxy if a Service of
// ours shows it.
func modeShown(snap *config.Snapshot, classes config.Classes) config.IPMode {
	for _, svc := range snap.Services.All() {
		if ours(svc, classes) && svc.AllocatedFrom != "" && svc.IPMode == config.IPModeProxy {
			return config.IPModeProxy
		}
	}
	return config.IPModeVIP
}
