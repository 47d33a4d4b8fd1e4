package bfd

import "time"

// protocol is that of a [Server] and its [Client]. It changes with the meaning
// of what they say to each other; fields may be added without.
const protocol = 1

const (
	maxOrder = 16 << 20        // bytes of one order: tens of thousands of sessions
	silence  = 5 * time.Second // a server that says nothing is given up: it does once a second
)
