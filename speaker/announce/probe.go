package announce

import "fmt"

// Probe is what asking the LAN for an address came to that no node had before
// (RFC 5227, 2.1; RFC 4862, 5.4).
type Probe struct {
	Free bool   // nobody answered
	Link string // else the interface on which a stranger did,
	MAC  string // and who
}

// vacant tells whether c may be made, and says why not. An address that the
// record gives to somebody is not asked for: a takeover must not wait.
func (v *view) vacant(c Claim) bool {
	if v.in.Probes == nil || c.Held || c.Previous != "" {
		return true
	}
	v.plan.Probes = append(v.plan.Probes, c)
	p, known := v.in.Probes[c.Addr]
	if p.Free {
		return true
	}
	reason, message := ReasonProbing, "the LAN is being asked whether somebody has the address"
	if known {
		reason, message = ReasonAddressInUse, fmt.Sprintf("another host has the address: %s, seen on %s of node %s", p.MAC, p.Link, v.in.Self)
	}
	for _, svc := range c.Services {
		v.silence(svc, c.Addr, Layer2, reason, message)
	}
	return false
}
