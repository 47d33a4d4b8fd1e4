package config

import "time"

// BFDProfile is a valid BFDProfile: how the routers of the peers that name it
// are watched.
type BFDProfile struct {
	Name       string
	Transmit   time.Duration // transmitInterval: we send no more often
	Receive    time.Duration // receiveInterval: the router is asked to send no more often
	Multiplier uint8         // detectMultiplier: so many missing packets are the end
	Passive    bool          // passiveMode: the router speaks first
	MinTTL     uint8         // minimumTtl, of what comes over several hops
}
