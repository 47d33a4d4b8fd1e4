package bfd

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/steelyard-lb/steelyard/speaker/bfd/session"
)

// defaultMinTTL is the least TTL of what comes over several hops, if none is
// given. Like FRR's it lets one router be in between; who sends with less than
// 255, as BIRD does (64), needs a lower one.
const defaultMinTTL = 254

// Path is what a session watches, and its identity: no two have the same.
type Path struct {
	Peer      netip.Addr // without a zone: that is Interface
	Local     netip.Addr // source address; the zero Addr: as the kernel routes
	Interface string     // of one hop: packets leave and come by it; an IPv6 link-local peer needs one
	VRF       string     // device of the VRF that the peer is in; "" for none
	MultiHop  bool
}

// Name is the path in words, for people.
func (p Path) Name() string {
	out := p.Peer.String()
	if p.Interface != "" {
		out += "%" + p.Interface
	}
	if p.Local.IsValid() {
		out += " from " + p.Local.String()
	}
	if p.VRF != "" {
		out += " in " + p.VRF
	}
	if p.MultiHop {
		out += " multihop"
	}
	return out
}

// Check tells what is wrong with the path, and what to do about it.
func (p Path) Check() error {
	switch {
	case !p.Peer.IsValid() || p.Peer.IsUnspecified() || p.Peer.IsMulticast():
		return fmt.Errorf("peer %v is no address of a router", p.Peer)
	case p.Peer.Zone() != "" || p.Local.Zone() != "":
		return fmt.Errorf("peer %v: name the interface apart from the addresses", p.Peer)
	case p.Local.IsValid() && p.Local.Is4() != p.Peer.Is4():
		return fmt.Errorf("peer %v and source address %v are of different families", p.Peer, p.Local)
	case p.Peer.Is4In6() || p.Local.Is4In6():
		return fmt.Errorf("peer %v: write IPv4 addresses as such", p.Peer)
	case p.MultiHop && p.Peer.IsLinkLocalUnicast():
		return fmt.Errorf("peer %v is link-local, and not several hops away", p.Peer)
	case p.MultiHop && p.Interface != "":
		return errors.New("a session over several hops is not bound to an interface: leave one of the two out")
	case p.Peer.Is6() && p.Peer.IsLinkLocalUnicast() && p.Interface == "":
		return fmt.Errorf("peer %v is link-local: name the interface that it is at", p.Peer)
	}
	return nil
}

// Session is a session as it should be.
type Session struct {
	Path
	MinTTL uint8 // of what comes over several hops; 0 is 254. Over one hop it is always 255 (RFC 5881, 5)
	session.Settings
}

// Check tells what is wrong with the session, and what to do about it.
func (s Session) Check() error {
	if err := s.Path.Check(); err != nil {
		return err
	}
	return s.Settings.Check()
}

// minTTL is the least that a packet of the session must have left.
func (s Session) minTTL() int {
	switch {
	case !s.MultiHop:
		return 255
	case s.MinTTL == 0:
		return defaultMinTTL
	}
	return int(s.MinTTL)
}
