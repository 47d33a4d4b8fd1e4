package bgp

import (
	"net/netip"
	"time"

	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// settings is what of an announce.Session concerns the session itself, sorted
// by what it costs to change. It is comparable.
type settings struct {
	server serverSettings
	peer   peerSettings
	soft   softSettings
}

// serverSettings can only be given to a new GoBGP server.
type serverSettings struct {
	asn      uint32
	routerID netip.Addr
	listen   netip.AddrPort // where the router is waited for; invalid: it is connected to
	vrf      device         // what all sockets are bound to
	learns   bool           // what the router sends is looked at
}

// device is a VRF's; the zero value stands for the default VRF. One that comes
// back under its name is another one to the kernel, whose sockets know its number.
type device struct {
	name  string
	index int
}

// peerSettings are part of the connection or of the OPEN message: a change
// needs a new connection.
type peerSettings struct {
	addr     netip.Addr // with a zone if it is link-local; invalid: not found yet
	port     uint16
	source   netip.Addr
	asn      uint32
	dynamic  string
	password string
	graceful bool
	longLive uint64 // seconds of long-lived graceful restart; 0: off
	oneFam   bool   // only routes of the family of addr
}

// softSettings change under a living session.
type softSettings struct {
	hold, keepalive, connect uint64 // seconds
	multihop                 bool
	hops                     uint8  // GTSM, RFC 5082; 0: off
	maxPrefixes              uint32 // 0: no limit
}

// cost is what it takes to get from one settings to another.
type cost int

const (
	costNone   cost = iota
	costUpdate      // no reset
	costPeer        // a new connection
	costServer      // a new server
)

// settingsOf reads the settings from a session; connect is the connect-retry
// time of a peer that states none.
func settingsOf(want announce.Session, connect time.Duration) settings {
	p := want.Peer
	s := settings{
		server: serverSettings{p.ASN(), want.RouterID, want.Peer.Listener(), device{p.VRF, want.VRF}, len(p.ToReceive) > 0},
		peer: peerSettings{
			addr: want.Router(), port: p.Port, source: p.Source.Unmap(), asn: p.PeerASN, dynamic: p.Dynamic,
			password: p.Password, graceful: p.GracefulRestart, oneFam: p.OneFamily,
		},
		soft: softSettings{multihop: p.MultiHop, hops: p.Hops, maxPrefixes: p.MaxPrefixes},
	}
	if p.GracefulRestart && p.LongLived > 0 {
		s.peer.longLive = seconds(p.LongLived)
	}
	if s.peer.port == 0 {
		s.peer.port = bgpPort
	}
	if s.server.listen.IsValid() {
		s.server.listen = netip.AddrPortFrom(s.server.listen.Addr(), s.peer.port)
	}
	s.soft.hold, s.soft.keepalive = timers(p.HoldTime, p.KeepaliveTime)
	if p.ConnectTime > 0 {
		connect = p.ConnectTime
	}
	s.soft.connect = seconds(connect)
	return s
}

// timers fills in hold and keepalive time, in seconds: 90 by default, one
// derived from the other (RFC 4271 §10: keepalive is a third of hold).
func timers(hold, keepalive time.Duration) (h, k uint64) {
	switch {
	case hold == 0 && keepalive == 0:
		hold = 90 * time.Second
	case hold == 0:
		hold = max(3*keepalive, 3*time.Second)
	}
	if keepalive == 0 {
		keepalive = hold / 3
	}
	return seconds(hold), seconds(keepalive)
}

// seconds rounds to whole seconds, at least one: GoBGP knows no fractions.
func seconds(d time.Duration) uint64 {
	return uint64(max(d.Round(time.Second), time.Second) / time.Second)
}

// to is the cost of getting from s to next.
func (s settings) to(next settings) cost {
	switch {
	case s == next:
		return costNone
	case s.server != next.server:
		return costServer
	case s.peer != next.peer && s.server.listen.IsValid():
		return costServer // GoBGP's listener keeps passwords of peers that are gone
	case s.peer != next.peer:
		return costPeer
	}
	return costUpdate
}

// neighbor is what is known of a router before it is connected to.
type neighbor struct {
	addr netip.Addr
	asn  uint32
}

// knowing is s with the AS number that a router with dynamicASN had last said to
// the speaker before this one, so that the session that comes back is one with
// that AS.
func (s settings) knowing(r neighbor) settings {
	if s.peer.dynamic != "" && r.asn != 0 && r.addr == s.peer.addr && s.accepts(r.asn) {
		s.peer.asn = r.asn
	}
	return s
}

// accepts tells whether the peer's AS number, learnt from its OPEN, obeys
// dynamicASN.
func (s settings) accepts(asn uint32) bool {
	switch s.peer.dynamic {
	case "internal":
		return asn == s.server.asn
	case "external":
		return asn != s.server.asn
	}
	return true
}
