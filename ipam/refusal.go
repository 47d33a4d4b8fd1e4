package ipam

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// Reason is the machine-readable reason of a refusal, and an error to ask for
// with errors.Is.
type Reason string

// The reasons.
const (
	PoolExhausted     Reason = "PoolExhausted"     // pools that fit are full
	NoMatchingPool    Reason = "NoMatchingPool"    // no pool is for this Service
	FamilyUnavailable Reason = "FamilyUnavailable" // pools that fit lack the family
	AddressInUse      Reason = "AddressInUse"      // the address asked for has another holder
	AddressNotInPool  Reason = "AddressNotInPool"  // the address asked for is in no pool that may give it
	SharingConflict   Reason = "SharingConflict"   // the address asked for is shared, but not with this one
	InvalidRequest    Reason = "InvalidRequest"    // the Service contradicts itself
	ForeignAddress    Reason = "ForeignAddress"    // the status was written by somebody else
)

// Reasons are all of them.
var Reasons = []Reason{
	PoolExhausted, NoMatchingPool, FamilyUnavailable, AddressInUse,
	AddressNotInPool, SharingConflict, InvalidRequest, ForeignAddress,
}

// Error is the reason's name.
func (r Reason) Error() string { return string(r) }

// Refusal says why a Service lacks something, and what to do about it.
type Refusal struct {
	Service config.Key
	Reason  Reason
	Message string // what is wrong, for a person, with names and numbers
	Remedy  string // what to do about it, for a person
	// Optional: the Service runs without what is refused (the second family
	// under PreferDualStack).
	Optional bool
}

// Error names the Service and the reason.
func (r *Refusal) Error() string { return fmt.Sprintf("%v: %v: %s", r.Service, r.Reason, r.Message) }

// Unwrap is the reason, for errors.Is.
func (r *Refusal) Unwrap() error { return r.Reason }

// Text is message and remedy.
func (r *Refusal) Text() string {
	if r.Remedy == "" {
		return r.Message
	}
	return r.Message + "; " + r.Remedy
}

func (r *Refusal) same(o *Refusal) bool {
	if r == nil || o == nil {
		return r == o
	}
	return *r == *o
}

func foreign(svc *config.Service) *Refusal {
	return &Refusal{
		Service: svc.Key, Reason: ForeignAddress,
		Message: fmt.Sprintf("the status shows %v, which Steelyard did not give and which is not in its pools; it is left alone", svc.Addrs),
		Remedy:  "give one of the two load balancers its own loadBalancerClass, put the address into a pool, or clear the status",
	}
}

func unreadable(svc *config.Service) *Refusal {
	p := svc.Want.Problem
	message := p.Message
	if p.Field != "" {
		message = p.Field + ": " + message
	}
	return &Refusal{Service: svc.Key, Reason: InvalidRequest, Message: message, Remedy: p.Remedy}
}

// contradiction checks what the Service asks for against itself.
func contradiction(svc *config.Service) *Refusal {
	if len(svc.Want.Addrs) == 0 {
		return nil
	}
	seen := map[config.Family]netip.Addr{}
	for _, addr := range svc.Want.Addrs {
		f := config.FamilyOf(addr)
		if other, ok := seen[f]; ok {
			return &Refusal{
				Service: svc.Key, Reason: InvalidRequest,
				Message: fmt.Sprintf("the Service asks for two %v addresses, %v and %v", f, other, addr),
				Remedy:  "ask for one address of each family at most",
			}
		}
		seen[f] = addr
		if fams := familiesOf(svc); !slices.Contains(fams, f) {
			return &Refusal{
				Service: svc.Key, Reason: InvalidRequest,
				Message: fmt.Sprintf("the Service asks for the %v address %v, but its ipFamilies are %v", f, addr, fams),
				Remedy:  "change spec.ipFamilies and ipFamilyPolicy, or the address",
			}
		}
	}
	return nil
}

func notInPool(svc *config.Service, message string) *Refusal {
	return &Refusal{
		Service: svc.Key, Reason: AddressNotInPool, Message: message,
		Remedy: "ask for another address, or add this one to a pool",
	}
}

// inUse says who has the address that svc asks for, or for whom it is kept.
func inUse(svc *config.Service, addr netip.Addr, o *obstacle) *Refusal {
	r := &Refusal{
		Service: svc.Key, Reason: AddressInUse, Message: fmt.Sprintf("%v %s", addr, o.text),
		Remedy: "ask for another address, or let both share it by the same allow-shared-ip key and different ports",
	}
	switch {
	case o.by == nil:
		r.Remedy = "ask for another address, or delete the IPReservation that keeps this one"
	case svc.Want.ShareKey != "" && o.by.Service.Want.ShareKey != "" && o.by.holds(addr):
		r.Reason = SharingConflict
		r.Remedy = "change port, key, externalTrafficPolicy or selector so that both agree, or ask for another address"
	}
	return r
}
