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
	Problems         []string // faults of this node that a person should mend
}

// SessionReport is the state of one BGP session.
type SessionReport struct {
	Peer     string // name of the BGPPeer
	Addr     netip.Addr
	State    string // as RFC 4271 names it: Idle, Connect, … Established
	Since    time.Time
	Prefixes int    // routes offered
	LastDrop string // why it last went down, in words
}

// SessionEstablished is the state of a session that exchanges routes (RFC 4271).
const SessionEstablished = "Established"

// The states of a forwarder in a SpeakerReport.
const (
	ForwarderReady    = "Ready"
	ForwarderNotReady = "NotReady"
	ForwarderOff      = "Off"
)
