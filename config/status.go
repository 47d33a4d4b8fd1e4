package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// ConditionAllocated is the condition on a Service that says whether it has
// the addresses it asks for, and if not, why.
const ConditionAllocated = "steelyard.io/Allocated"

// ConditionAnnounced is the condition on a Service that says who announces its
// addresses to the network, and if nobody does, why.
const ConditionAnnounced = "steelyard.io/Announced"

// ConditionForwarding is the condition on a Service that says which nodes forward
// its traffic, and which do not and why.
const ConditionForwarding = "steelyard.io/Forwarding"

// ConditionValid is the condition on an IPAddressPool that says whether it is
// used, and if not, why.
const ConditionValid = "Valid"

// ConditionEstablished is the condition on a BGPPeer that says whether every
// node that should has a session with it.
const ConditionEstablished = "Established"

// Errors that a status writer wraps, so that its caller can tell what to do.
var (
	// ErrConflict: the object changed meanwhile; look at the next snapshot.
	ErrConflict = errors.New("object changed meanwhile")
	// ErrTaken is an ErrConflict that lasts: somebody else's object has the name.
	ErrTaken = fmt.Errorf("the name is taken: %w", ErrConflict)
	// ErrGone: there is no such object any more; nothing is left to write.
	ErrGone = errors.New("object is gone")
	// ErrRefused: the API server does not allow it, and will not before a
	// person changes something: a quota, a right, an admission policy.
	ErrRefused = errors.New("the API server refuses it")
)

// ServiceStatus is all that the controller says on a Service. A writer touches
// these fields and no others.
type ServiceStatus struct {
	Addrs     []netip.Addr // status.loadBalancer.ingress in order; none clears it
	Mode      IPMode       // ipMode of every address; "" without addresses
	Pool      string       // annotation steelyard.io/ip-allocated-from-pool; "" removes it
	Condition *Condition   // ConditionAllocated; nil removes it
}

// Equal tells whether s and o say the same.
func (s ServiceStatus) Equal(o ServiceStatus) bool {
	if (s.Condition == nil) != (o.Condition == nil) {
		return false
	}
	return slices.Equal(s.Addrs, o.Addrs) && s.Mode == o.Mode && s.Pool == o.Pool &&
		(s.Condition == nil || *s.Condition == *o.Condition)
}

// StatusOf is the status that svc shows: what a writer would have to be told
// to change nothing.
func StatusOf(svc *Service) ServiceStatus {
	s := ServiceStatus{Addrs: svc.Addrs, Pool: svc.AllocatedFrom}
	if len(svc.Addrs) > 0 {
		if s.Mode = svc.IPMode; s.Mode == "" {
			s.Mode = IPModeVIP // what an absent ipMode means (KEP-1860)
		}
	}
	s.Condition = svc.Condition(ConditionAllocated)
	return s
}

// Notice is what the controller says on a Service beside its addresses. A
// condition that is nil is removed.
type Notice struct {
	Announced  *Condition // ConditionAnnounced
	Forwarding *Condition // ConditionForwarding
}

// NoticeOf is what svc shows.
func NoticeOf(svc *Service) Notice {
	return Notice{Announced: svc.Condition(ConditionAnnounced), Forwarding: svc.Condition(ConditionForwarding)}
}

// Equal tells whether n and o say the same.
func (n Notice) Equal(o Notice) bool {
	same := func(a, b *Condition) bool { return a == b || a != nil && b != nil && *a == *b }
	return same(n.Announced, o.Announced) && same(n.Forwarding, o.Forwarding)
}

// PoolStatus is the status of an IPAddressPool. Counts saturate at the largest
// int64: a /64 holds more.
type PoolStatus struct {
	Assigned4, Assigned6   int64
	Available4, Available6 int64
	Conditions             []Condition
}

// Equal tells whether s and o say the same.
func (s PoolStatus) Equal(o PoolStatus) bool {
	return s.Assigned4 == o.Assigned4 && s.Assigned6 == o.Assigned6 &&
		s.Available4 == o.Available4 && s.Available6 == o.Available6 &&
		slices.Equal(s.Conditions, o.Conditions)
}
