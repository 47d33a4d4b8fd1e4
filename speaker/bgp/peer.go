package bgp

import (
	"net/netip"

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
		Transport: &api.Transport{PassiveMode: s.server.listen.IsValid(), BindInterface: s.server.vrf.name},
	}
	for _, family := range s.families() {
		p.AfiSafis = append(p.AfiSafis, afiSafi(family, s))
	}
	if !s.server.listen.IsValid() {
		p.Transport.RemotePort = uint32(s.peer.port)
	}
	switch {
	case s.peer.source.IsValid():
		p.Transport.LocalAddress = s.peer.source.String()
	case s.peer.addr.Zone() != "":
		// GoBGP would look for a link-local address and write it with its zone, which
		// it cannot read as a next hop later; of an open connection it takes the address.
		p.Transport.LocalAddress = netip.IPv6Unspecified().String()
	}
	switch {
	case s.soft.hops > 0:
		p.TtlSecurity = &api.TtlSecurity{Enabled: true, TtlMin: 256 - uint32(s.soft.hops)}
	case s.soft.multihop, s.peer.dynamic != "": // as far away as before its AS was known
		p.EbgpMultihop = &api.EbgpMultihop{Enabled: true, MultihopTtl: multihopTTL}
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
