package session

import (
	"fmt"
	"time"

	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
)

// The bounds of a profile. A process that garbage collection or a busy machine
// may hold up for tens of milliseconds must not promise more than it can keep.
const (
	LeastInterval  = 50 * time.Millisecond
	LeastDetection = 3 * LeastInterval
	MostInterval   = time.Minute
)

// The profile of a session that names none, as MetalLB and FRR have it.
const (
	DefaultInterval   = 300 * time.Millisecond
	DefaultMultiplier = 3
)

// Settings are what may change while a session lives.
type Settings struct {
	MinTx      time.Duration // we send no more often than this, if Up
	MinRx      time.Duration // the peer is asked to send no more often than this
	Multiplier uint8         // so many of our packets missing are the end to the peer
	Passive    bool          // the peer has to speak first
	AdminDown  bool          // kept down, and the peer is told so
	// Independent sets the C bit: this session outlives the control plane that
	// uses it (RFC 5882, 4.3.2). It must be true.
	Independent bool
	Key         packet.Key
}

// Check tells what is wrong with the settings, and what to do about it.
func (s Settings) Check() error {
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"transmit interval", s.MinTx}, {"receive interval", s.MinRx}} {
		switch {
		case d.value < LeastInterval:
			return fmt.Errorf("%s %v is too short: a busy machine would take healthy sessions down; use %v or more", d.name, d.value, LeastInterval)
		case d.value > MostInterval:
			return fmt.Errorf("%s %v is too long: use %v or less", d.name, d.value, MostInterval)
		case time.Duration(s.Multiplier)*d.value < LeastDetection:
			return fmt.Errorf("%s %v and multiplier %d make a detection time of %v: a busy machine would take healthy sessions down; "+
				"%v is the least (%v and 3)", d.name, d.value, s.Multiplier, time.Duration(s.Multiplier)*d.value, LeastDetection, LeastInterval)
		}
	}
	if s.Multiplier < 2 {
		return fmt.Errorf("multiplier %d takes one lost packet for a dead neighbor: use 2 or more", s.Multiplier)
	}
	return s.Key.Check()
}
