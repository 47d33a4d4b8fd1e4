package packet

import "fmt"

// State is the state of a session as one side sees it (RFC 5880, 4.1).
type State uint8

// The states, by their values on the wire.
const (
	AdminDown State = iota
	Down
	Init
	Up
)

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

var stateNames = [...]string{"AdminDown", "Down", "Init", "Up"}

// Diag is a diagnostic code: why the sender's session left the state Up last
// (RFC 5880, 4.1).
type Diag uint8

// The diagnostic codes of the RFC.
const (
	NoDiag Diag = iota
	DetectionExpired
	EchoFailed
	NeighborDown
	ForwardingReset
	PathDown
	ConcatenatedDown
	AdminDowned
	ReverseDown
)

func (d Diag) String() string {
	if int(d) < len(diagNames) {
		return diagNames[d]
	}
	return fmt.Sprintf("diagnostic %d", uint8(d))
}

var diagNames = [...]string{
	"no diagnostic", "control detection time expired", "echo function failed", "neighbor signaled session down",
	"forwarding plane reset", "path down", "concatenated path down", "administratively down",
	"reverse concatenated path down",
}
