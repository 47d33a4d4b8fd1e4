package config

import (
	"net/netip"
	"time"
)

// RateLimit bounds how many requests each client makes, at each replica. It may make
// Burst at once besides.
type RateLimit struct {
	Every  time.Duration // one request in this time
	Burst  int
	Exempt []netip.Prefix // clients that are not bound
}
