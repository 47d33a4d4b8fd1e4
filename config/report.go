package config

import (
	"net/netip"
	"time"
)

// SpeakerReport is what a speaker says of itself in its SpeakerStatus.
type SpeakerReport struct {
	Node             string
	Version          string
	Forwarder        string // Ready, NotReady or Off
	ForwarderMessage string // why it is not ready
	Claims           int    // addresses answered for on the LAN
	Sessions         []SessionReport
	Links            []LinkReport
	Exceptions       []Exception
	Problems         []string // faults of this node that a person should mend
}

// LinkReport is an interface on which a node could announce addresses.
type LinkReport struct {
	Name    string
	Subnets []netip.Prefix // masked
}

// Exception is an address of a Service that is not announced although the
// record of the address suggests it, or although nothing else tells why.
type Exception struct {
	Service Key
	Addr    netip.Addr
	Reason  string // as of announce.Silence
	Message string
}

// SessionReport is the state of one BGP session.
type SessionReport struct {
	Peer     string // name of the BGPPeer
	Addr     netip.Addr
	State    string // as RFC 4271 names it: Idle, Connect, … Established
	Since    time.Time
	Prefixes int    // routes offered
	LastDrop string // why it last went down, in words
	BFD      BFDReport
}

// BFDReport is what BFD says of a session's router. The zero value is that of one
// that is not watched.
type BFDReport struct {
	State string // as RFC 5880 names it: AdminDown, Down, Init, Up; or Unknown
	Since time.Time
}

// ExceptionNoEndpoints is the reason of an [Exception] that holds for every
// node and protocol.
const ExceptionNoEndpoints = "noEndpoints"

// SessionEstablished is the state of a session that exchanges routes (RFC 4271).
const SessionEstablished = "Established"

// The states of a forwarder in a SpeakerReport.
const (
	ForwarderReady    = "Ready"
	ForwarderNotReady = "NotReady"
	ForwarderOff      = "Off"
)
