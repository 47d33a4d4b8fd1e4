package controller

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ipam"
)

// The reasons of condition and events that are not refusals. Events use
// MetalLB's words, so that everybody's alerts keep working.
const (
	reasonAllocated       = "Allocated"
	reasonPoolGone        = "PoolGone"
	eventAllocated        = "IPAllocated"
	eventAllocationFailed = "AllocationFailed"
	eventBadRequest       = "LoadBalancerFailed"
	eventSecondFailed     = "AdditionalAssignFailed"
	eventCleared          = "ClearAssignment"
	eventWriteRefused     = "WriteRefused"
	remedyRefused         = "nothing is shown before it can be written: allow it, or for a quota of IPReservations use a pool without retain and reuseAfter"
	remedyPoolGone        = "put it back into a pool to keep it, or ask for another pool or address to move the Service"
	notItsOwn             = "it no longer belongs to this Service"
)

// ours tells whether Services of that type and class are for us to serve.
func ours(svc *config.Service, classes config.Classes) bool {
	return svc.Type == config.LoadBalancer && classes.Serve(svc.Class)
}

// desired is what svc's status shall say; false means that it is not for us to
// say anything.
func desired(svc *config.Service, entry *ipam.Entry, classes config.Classes, mode config.IPMode) (config.ServiceStatus, bool) {
	switch {
	case svc.Type != config.LoadBalancer:
		// What we wrote while it was ours is ours to clear; nothing else is.
		shown := config.StatusOf(svc)
		return config.ServiceStatus{}, shown.Pool != "" || shown.Condition != nil
	case !ours(svc, classes), entry == nil, entry.Bystander(), foreign(entry):
		return config.ServiceStatus{}, false
	}
	status := config.ServiceStatus{Addrs: entry.Addrs(), Pool: entry.Pools(), Condition: condition(entry)}
	if len(status.Addrs) > 0 {
		if status.Mode = mode; svc.OtherProxy {
			status.Mode = config.IPModeVIP // that one programs the address, as kube-proxy would
		}
	}
	return status, true
}

func foreign(e *ipam.Entry) bool {
	return e.Refusal != nil && e.Refusal.Reason == ipam.ForeignAddress
}

// condition says whether the Service has what it asks for, and if not, why.
func condition(e *ipam.Entry) *config.Condition {
	c := &config.Condition{Type: config.ConditionAllocated, Status: true, Reason: reasonAllocated}
	c.Message = have(e)
	if gone := goneText(e); gone != "" {
		c.Reason, c.Message = reasonPoolGone, gone
	}
	if r := e.Refusal; r != nil {
		if !r.Optional {
			c.Status, c.Reason = false, string(r.Reason)
		}
		c.Message = strings.TrimPrefix(c.Message+"; "+r.Text(), "; ")
	}
	return c
}

// have lists the addresses and where they are from.
func have(e *ipam.Entry) string {
	words := make([]string, len(e.Held))
	for i, h := range e.Held {
		words[i] = fmt.Sprintf("%v from pool %s", h.Addr, h.Pool)
	}
	return strings.Join(words, ", ")
}

// goneText names the addresses whose pool no longer holds them.
func goneText(e *ipam.Entry) string {
	var words []string
	for _, h := range e.Held {
		if h.Gone {
			words = append(words, fmt.Sprintf("%v is kept, but pool %s no longer holds it", h.Addr, h.Pool))
		}
	}
	if len(words) == 0 {
		return ""
	}
	return strings.Join(words, ", ") + "; " + remedyPoolGone
}

// eventsFor tells the difference between what a Service shows and what it shall
// say. Since the status remembers what was told, a new leader tells nothing
// twice.
func eventsFor(shown, status config.ServiceStatus, e *ipam.Entry, dropped []ipam.Drop) []event {
	var out []event
	if added := minus(status.Addrs, shown.Addrs); len(added) > 0 {
		out = append(out, event{false, eventAllocated, fmt.Sprintf("Assigned IP %q", addrTexts(added))})
	}
	for _, addr := range minus(shown.Addrs, status.Addrs) {
		out = append(out, event{false, eventCleared, fmt.Sprintf("%v is taken back: %s", addr, whyDropped(addr, dropped))})
	}
	if e == nil || sameCondition(shown.Condition, status.Condition) {
		return out
	}
	if goneText(e) != "" {
		out = append(out, event{true, reasonPoolGone, goneText(e)})
	}
	if r := e.Refusal; r != nil {
		ev := event{true, eventAllocationFailed, fmt.Sprintf("%v: %s", r.Reason, r.Text())}
		switch {
		case r.Optional:
			ev.warning, ev.reason = false, eventSecondFailed
		case r.Reason == ipam.InvalidRequest:
			ev.reason = eventBadRequest
		}
		out = append(out, ev)
	}
	return out
}

func whyDropped(addr netip.Addr, dropped []ipam.Drop) string {
	for _, d := range dropped {
		if d.Addr == addr {
			return d.Why
		}
	}
	return notItsOwn
}

func sameCondition(a, b *config.Condition) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// minus is the addresses of a that are not in b.
func minus(a, b []netip.Addr) (out []netip.Addr) {
	for _, addr := range a {
		if !slices.Contains(b, addr) {
			out = append(out, addr)
		}
	}
	return out
}

func addrTexts(addrs []netip.Addr) []string {
	out := make([]string, len(addrs))
	for i, a := range addrs {
		out[i] = a.String()
	}
	return out
}
