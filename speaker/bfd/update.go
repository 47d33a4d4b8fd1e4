package bfd

import (
	"net/netip"
	"time"

	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
	"github.com/steelyard-lb/steelyard/speaker/bfd/session"
)

// Update is what is known of all sessions. It must not be changed.
type Update struct {
	Statuses []Status // in the order in which they were asked for; those that leave come last
	// Changes are those of states since the Update taken before, oldest first. Of
	// more than a thousand the oldest are dropped, and counted in Lost.
	Changes []Change
	Lost    int
	// Discarded counts the packets that were not kept, by the text of their
	// [packet.Discard], and Stalls the times that the engine did not run for 25 ms
	// or longer when it had to; both since it was started.
	Discarded map[string]uint64
	Stalls    uint64
	// Problem says why nothing is known: the process that has the sessions
	// cannot be reached. They may well be up. "" if all is well.
	Problem string
}

// Status is what is known of one session.
type Status struct {
	Path
	session.Status
	Source   netip.AddrPort // what we send from; the zero value if we cannot
	Problem  string         // why there is no session, or why it cannot send; "" if all is well
	Sent     uint64
	Received uint64        // packets kept
	Ups      uint64        // times it came up
	Downs    uint64        // times it was up, and is not any more
	Gap      time.Duration // between the packets received of late, on average
	Leaving  bool          // no longer wanted: the peer is being told
}

// Change is that of a session's state.
type Change struct {
	Path
	At         time.Time
	From, To   packet.State
	Remote     packet.State // as the peer said last
	Diag       packet.Diag  // our reason, if To is not Up
	RemoteDiag packet.Diag  // the peer's
	Detection  time.Duration
}

const maxChanges = 1000

// mergeUpdates keeps the changes of an update that nobody took.
func mergeUpdates(old, next Update) Update {
	next.Changes = append(old.Changes[:len(old.Changes):len(old.Changes)], next.Changes...)
	next.Lost += old.Lost
	if n := len(next.Changes) - maxChanges; n > 0 {
		next.Changes, next.Lost = next.Changes[n:], next.Lost+n
	}
	return next
}
