package bgp

import (
	api "github.com/osrg/gobgp/v3/api"
)

// peerName is how GoBGP calls its one peer: the gate.
var peerName = loopback.String()

// deferralSeconds is how long a restarting speaker waits for the router's
// End-of-RIB before it sends its own routes (RFC 4724 §4.1). Nothing received
// is used, so there is nothing to wait for: the least GoBGP can do.
const deferralSeconds = 1

// peerOf puts settings into GoBGP's terms. With graceful restart every
// connection is opened as that of a restarting speaker: the forwarding-state
// bits are set only then, and without them a router drops and re-adds the
// routes it kept over a lost connection. restartSeconds is how long routers
// should keep them; port is where the gate is found.
func peerOf(s settings, port uint16, restartSeconds uint32) *api.Peer {
	p := &api.Peer{
		Conf:      &api.PeerConf{NeighborAddress: peerName, PeerAsn: s.peer.asn},
		Timers:    &api.Timers{Config: &api.TimersConfig{HoldTime: s.soft.hold, KeepaliveInterval: s.soft.keepalive}},
		Transport: &api.Transport{RemotePort: uint32(port)},
	}
	for _, family := range s.families() {
		p.AfiSafis = append(p.AfiSafis, afiSafi(family, s))
	}
	if s.peer.graceful {
		p.GracefulRestart = &api.GracefulRestart{
			Enabled: true, RestartTime: restartSeconds, DeferralTime: deferralSeconds, LocalRestarting: true,
			LonglivedEnabled: s.peer.longLive > 0,
		}
	}
	return p
}

// families are the address families to agree on with the router.
func (s settings) families() []*api.Family {
	switch {
	case !s.peer.oneFam:
		return []*api.Family{family4, family6}
	case s.peer.addr.Is4():
		return []*api.Family{family4}
	}
	return []*api.Family{family6}
}

// afiSafi asks for one family, for its routes to be kept over a restart, and
// for not too many of the router's.
func afiSafi(family *api.Family, s settings) *api.AfiSafi {
	return &api.AfiSafi{
		Config:            &api.AfiSafiConfig{Family: family, Enabled: true},
		MpGracefulRestart: &api.MpGracefulRestart{Config: &api.MpGracefulRestartConfig{Enabled: s.peer.graceful}},
		LongLivedGracefulRestart: &api.LongLivedGracefulRestart{Config: &api.LongLivedGracefulRestartConfig{
			Enabled: s.peer.longLive > 0, RestartTime: uint32(s.peer.longLive),
		}},
		PrefixLimits: &api.PrefixLimit{Family: family, MaxPrefixes: s.soft.maxPrefixes},
	}
}
