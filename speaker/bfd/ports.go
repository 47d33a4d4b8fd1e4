package bfd

import "math/rand/v2"

// The destination ports (RFC 5881, 4; RFC 5883, 5), and the range of the source
// ports, each of which belongs to one session.
const (
	singleHopPort = 3784
	multiHopPort  = 4784

	firstSource = 49152
	lastSource  = 65535
)

func port(multiHop bool) int {
	if multiHop {
		return multiHopPort
	}
	return singleHopPort
}

// sourcePorts are those that sessions have.
type sourcePorts map[uint16]bool

// pick is a port that no session has, as long as there are such: where there
// are more sessions than ports, they share (RFC 5881, 4).
func (p sourcePorts) pick() uint16 {
	for {
		at := uint16(firstSource + rand.IntN(lastSource-firstSource+1))
		if !p[at] || len(p) > lastSource-firstSource {
			return at
		}
	}
}
