package layer2

import (
	"fmt"
	"net"
	"net/netip"
)

// drop is why a frame was not answered; "" is none.
type drop string

const (
	dropMalformed  drop = "malformed"  // cannot be parsed, or breaks a rule of its RFC
	dropNoRequest  drop = "noRequest"  // well formed, but nothing to answer
	dropNotOwned   drop = "notOwned"   // asks for an address that is not claimed here
	dropOwn        drop = "own"        // our own frame, come back
	dropMember     drop = "member"     // a member says that it has the address: a move is under way
	dropConflict   drop = "conflict"   // a stranger says so
	dropSilent     drop = "silent"     // no recent heartbeat
	dropSendFailed drop = "sendFailed" // the reply could not be sent
)

var drops = []drop{dropMalformed, dropNoRequest, dropNotOwned, dropOwn, dropMember, dropConflict, dropSilent, dropSendFailed}

// hardware is an Ethernet address as a value.
type hardware [6]byte

func (h hardware) String() string { return net.HardwareAddr(h[:]).String() }

// unicast tells whether h can be one station's address.
func (h hardware) unicast() bool { return h[0]&1 == 0 && h != hardware{} }

// question is what a frame says and asks.
type question struct {
	from   hardware   // who sent it, by its own word
	said   netip.Addr // address that the sender says it has; invalid: none
	target netip.Addr // address it asks for; invalid: none
	tries  bool       // asks because it wants target for itself (RFC 5227, 2.1.1; RFC 4862, 5.4.3)
	back   netip.Addr // where an answer goes,
	backTo hardware   // and to which station
}

// answer is a frame to send.
type answer struct {
	frame []byte
	to    net.HardwareAddr
}

// site is what the answer to a frame depends on, besides the frame.
type site struct {
	link    linkKey
	claims  claimSet // answered for
	probed  claimSet // to be claimed unless somebody has them
	company *company
}

// answer makes the reply to q, or says why there is none. If the reason is
// dropConflict, addr is what a stranger has or wants.
func (s *site) answer(q question) (a answer, addr netip.Addr, why drop) {
	if addr := s.contested(q); addr.IsValid() {
		return answer{}, addr, s.company.judge(q.from)
	}
	if !q.target.IsValid() {
		return answer{}, addr, dropNoRequest
	}
	if !s.claims.owns(s.link, q.target) {
		return answer{}, addr, dropNotOwned
	}
	reply := advertisement
	if q.target.Is4() {
		reply = replyARP
	}
	frame, err := reply(s.link.mac, q.target, q.back, q.backTo)
	if err != nil {
		return answer{}, addr, dropMalformed
	}
	return answer{frame, q.backTo[:]}, addr, ""
}

// contested is the address of ours that the sender of q has, or, as long as we
// do not have it either, wants to have. It is invalid if there is none.
func (s *site) contested(q question) netip.Addr {
	if q.tries && s.probed.owns(s.link, q.target) {
		return q.target
	}
	if q.said.IsValid() && (s.claims.owns(s.link, q.said) || s.probed.owns(s.link, q.said)) {
		return q.said
	}
	return netip.Addr{}
}

// announcement makes the frames that tell neighbours that addr is at mac.
func announcement(mac hardware, addr netip.Addr) ([]answer, error) {
	if addr.Is4() {
		return gratuitousARP(mac, addr)
	}
	return unsolicitedNA(mac, addr)
}

// probeFor makes the frame that asks whether anybody has addr.
func probeFor(mac hardware, addr netip.Addr) (answer, error) {
	probe := probeNDP
	if addr.Is4() {
		probe = probeARP
	}
	a, err := probe(mac, addr)
	if err != nil {
		return answer{}, fmt.Errorf("make probe for %v: %w", addr, err)
	}
	return a, nil
}
