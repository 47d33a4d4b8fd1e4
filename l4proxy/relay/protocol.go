package relay

import "time"

// protocol is that of a [Server] and its [Client]. It changes with the meaning of
// what they say to each other; fields may be added without.
const protocol = 1

const (
	maxConfig = 64 << 20        // bytes of a Config: some hundred thousand backends
	maxStatus = 64 << 10        // of a Status
	silence   = 5 * time.Second // a server that says nothing is given up: it does once a second
)
