package announce

import (
	"fmt"
	"slices"
)

// Probe is what asking the LAN for an address came to that no node had before
// (RFC 5227, 2.1; RFC 4862, 5.4).
type Probe struct {
	Free bool   // nobody answered
	Link string // else the interface on which a stranger did,
	MAC  string // and who
}

// vacant tells whether c may be made, and says why not. An address that the
// record gives to somebody is not asked for: a takeover must not wait.
func (v *view) vacant(out *said, s *site, c *Claim) bool {
	if v.in.Probes == nil || c.Held || c.Previous != "" {
		return true
	}
	out.probe = c
	p, known := v.in.Probes[c.Addr]
	if p.Free {
		return true
	}
	reason, message := ReasonProbing, "the LAN is being asked whether somebody has the address"
	if known {
		reason, message = ReasonAddressInUse, fmt.Sprintf("another host has the address: %s, seen on %s of node %s", p.MAC, p.Link, v.in.Self)
	}
	for _, w := range s.group {
		if slices.Contains(c.Services, w.svc.Key) {
			out.silence(w, Layer2, reason, message)
		}
	}
	return false
}
