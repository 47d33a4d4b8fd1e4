package load

import (
	"fmt"
	"net/netip"
	"time"
)

// Kind is what is asked.
type Kind string

// The kinds of traffic.
const (
	// Conn opens a connection, sends 64 bytes, waits for them to come back, and
	// resets it.
	Conn Kind = "conn"
	// RR sends 64 bytes on an open connection, waits for them to come back, and
	// so on.
	RR Kind = "rr"
	// UDP is the same with datagrams, some of which are under way at a time.
	UDP Kind = "udp"
	// Bytes reads what the other end sends without end.
	Bytes Kind = "bytes"
)

// The ports of [Serve].
const (
	EchoPort   = 7001 // TCP: Conn and RR
	SourcePort = 7002 // TCP: Bytes
	UDPPort    = 7003
)

// port is where a kind of traffic goes.
func (k Kind) port() int {
	switch k {
	case Bytes:
		return SourcePort
	case UDP:
		return UDPPort
	}
	return EchoPort
}

// Spec says what to ask whom.
type Spec struct {
	Kind   Kind
	First  netip.Addr    // of the addresses that are asked in turn
	Count  int           // how many
	Flows  int           // at a time
	Warmup time.Duration // before anything is counted
	Time   time.Duration
	Server int // process ID of the other end, whose processor time is counted, too
}

// Result is what was achieved.
type Result struct {
	Done   int64         // connections, answers or bytes
	Failed int64         // connections or datagrams
	Took   time.Duration // wall clock
	CPU    time.Duration // of both ends
	Busy   time.Duration // of the whole machine
}

// PerCPU is how much was done in a second of processor time.
func (r Result) PerCPU() float64 { return float64(r.Done) / r.CPU.Seconds() }

// PerSecond is how much was done in a second.
func (r Result) PerSecond() float64 { return float64(r.Done) / r.Took.Seconds() }

// check finds what cannot be asked.
func (s Spec) check() error {
	switch {
	case s.Kind != Conn && s.Kind != RR && s.Kind != UDP && s.Kind != Bytes:
		return fmt.Errorf("kind %q: there are conn, rr, udp and bytes", s.Kind)
	case !s.First.Is4():
		return fmt.Errorf("first address %v: only IPv4 is made", s.First)
	case s.Count < 1 || s.Flows < 1 || s.Flows > mostFDs/2:
		return fmt.Errorf("%d addresses, %d flows", s.Count, s.Flows)
	}
	return nil
}
