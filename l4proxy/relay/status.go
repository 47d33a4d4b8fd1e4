package relay

// Status is what an engine says of itself, once a second and after each
// [Engine.Apply].
type Status struct {
	Port     uint16 // where it listens, on all addresses of this node
	Digest   string // of the Config that is in effect; "": none yet
	Draining bool   // it is about to end
	Counts   Counts
}

// Counts are what an engine did since it began.
type Counts struct {
	Open      int64  // connections now
	Accepted  uint64 // connections
	Unknown   uint64 // refused: to no frontend, or one without backends
	Headless  uint64 // refused: from a proxy, without a header in time that can be read
	Failed    uint64 // given up: no backend took them
	Attempts  uint64 // connections to backends that failed, retried or not
	Ports     uint64 // of Attempts, for want of a free source port
	Idle      uint64 // ended: nothing was said for long
	Orphaned  uint64 // ended: their backend is none any more
	Full      uint64 // times that accepting was put off: too many connections
	FromBytes uint64 // from clients, of connections that have ended
	ToBytes   uint64 // to clients
}
