package bgp

import (
	api "github.com/osrg/gobgp/v3/api"
)

// multihopTTL is how far away a multihop peer may be.
const multihopTTL = 255

// deferralSeconds is how long a restarting speaker waits for the router's
// End-of-RIB before it sends its own routes (RFC 4724 §4.1). Nothing received
// is used, so there is nothing to wait for: the least GoBGP can do.
const deferralSeconds = 1

// peerOf puts settings into GoBGP's terms. With graceful restart every
// connection is opened as that of a restarting speaker: the forwarding-state
// bits are set only then, and without them a router drops and re-adds the
// routes it kept over a lost connection. restartSeconds is how long routers
// should keep them.
func peerOf(s settings, restartSeconds uint32) *api.Peer {
	p := &api.Peer{
		Conf: &api.PeerConf{
			NeighborAddress: s.peer.addr.String(), PeerAsn: s.peer.asn, AuthPassword: s.peer.password,
		},
		Timers: &api.Timers{Config: &api.TimersConfig{
			HoldTime: s.soft.hold, KeepaliveInterval: s.soft.keepalive, ConnectRetry: s.soft.connect,
		}},
		Transport: &api.Transport{RemotePort: uint32(s.peer.port)},
		AfiSafis:  []*api.AfiSafi{afiSafi(family4, s.peer.graceful), afiSafi(family6, s.peer.graceful)},
	}
	if s.peer.source.IsValid() {
		p.Transport.LocalAddress = s.peer.source.String()
	}
	if s.soft.multihop {
		p.EbgpMultihop = &api.EbgpMultihop{Enabled: true, MultihopTtl: multihopTTL}
	}
	if s.peer.graceful {
		p.GracefulRestart = &api.GracefulRestart{
			Enabled: true, RestartTime: restartSeconds, DeferralTime: deferralSeconds, LocalRestarting: true,
		}
	}
	return p
}

// afiSafi asks for one family, and for its routes to be kept over a restart.
func afiSafi(family *api.Family, graceful bool) *api.AfiSafi {
	return &api.AfiSafi{
		Config:            &api.AfiSafiConfig{Family: family, Enabled: true},
		MpGracefulRestart: &api.MpGracefulRestart{Config: &api.MpGracefulRestartConfig{Enabled: graceful}},
	}
}
