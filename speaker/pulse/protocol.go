package pulse

import "time"

// protocol is that of a server and its [Client]. It changes with the meaning of
// what they say to each other; fields may be added without.
const protocol = 1

const (
	maxOrder  = 4 << 20 // bytes of an order: tens of thousands of nodes
	maxUpdate = 4 << 20
	// wordEvery is how often the client says that it is awake.
	wordEvery = 200 * time.Millisecond
	// leash is how long the other process says that this node lives when the
	// speaker says nothing any more. A speaker of which others take the processors
	// away was seen to stand still for half of it.
	leash = time.Second
	// silence is the same the other way: without heartbeats the others may have
	// found this node dead.
	silence = time.Second
)

// order is what a speaker says. What is nil is as before; an empty one says that
// the speaker is awake.
type order struct {
	Self  *self    `json:",omitempty"` // first of all
	Peers *[]Peer  `json:",omitempty"`
	Keys  [][]byte `json:",omitempty"`
	Bye   bool     `json:",omitempty"` // the others are to know that this is a proper end
}

// begins tells whether the order says who speaks.
func (o order) begins() bool {
	s := o.Self
	return s != nil && s.Addr.IsValid() && s.Port != 0 && s.Tuning.Every > 0 && s.Tuning.Miss > 0 && len(o.Keys) > 0
}

func mergeOrders(old, next order) order {
	if next.Self == nil {
		next.Self = old.Self
	}
	if next.Peers == nil {
		next.Peers = old.Peers
	}
	if next.Keys == nil {
		next.Keys = old.Keys
	}
	next.Bye = next.Bye || old.Bye
	return next
}
