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
	Peer      string // name of the BGPPeer
	Addr      netip.Addr
	State     string // as RFC 4271 names it: Idle, Connect, … Established
	Since     time.Time
	Prefixes  int       // routes offered
	LastDrop  string    // why it last went down, in words
	DroppedAt time.Time // when it last went down; zero: never
	ASN       uint32    // of the router, as it said last; 0: not yet
	BFD       BFDReport

	// What was agreed on with the router, and what it sends; zero while the
	// session is down.
	HoldTime, KeepaliveTime time.Duration
	Families                []string // of "ipv4", "ipv6"
	Received                int      // prefixes that the router sends
}

// BFDReport is what BFD says of a session's router. The zero value is that of one
// that is not watched.
type BFDReport struct {
	// Detection is the silence after which the router is lost, as agreed on with
	// it. Interval is what is measured between its packets, on average. Both are
	// zero while the session is not Up; Interval for some seconds more.
	Detection, Interval time.Duration

	State string // as RFC 5880 names it: AdminDown, Down, Init, Up; or Unknown
	Since time.Time
}

// ExceptionNoEndpoints is the reason of an [Exception] that holds for every
// node and protocol.
const ExceptionNoEndpoints = "noEndpoints"

// SessionEstablished is the state of a session that exchanges routes (RFC 4271).
const SessionEstablished = "Established"

// BFDUp is the state of a BFD session whose router is there (RFC 5880).
const BFDUp = "Up"

// The states of a forwarder in a SpeakerReport.
const (
	ForwarderReady    = "Ready"
	ForwarderNotReady = "NotReady"
	ForwarderOff      = "Off"
)
