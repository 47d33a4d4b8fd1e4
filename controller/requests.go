package controller

import (
	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ipam"
)

// requestOf is what the allocator must know of svc; false: nothing.
func requestOf(snap *config.Snapshot, svc *config.Service, classes config.Classes) (ipam.Request, bool) {
	if ours(svc, classes) {
		labels, _ := snap.Namespaces.Get(svc.Namespace)
		return ipam.Request{Service: svc, Labels: labels}, true
	}
	return ipam.Request{Service: svc, Bystander: true}, len(svc.Addrs) > 0
}

// allRequests is what the whole snapshot asks for.
func allRequests(snap *config.Snapshot, classes config.Classes) []ipam.Request {
	out := make([]ipam.Request, 0, snap.Services.Len())
	for _, svc := range snap.Services.All() {
		if req, ok := requestOf(snap, svc, classes); ok {
			out = append(out, req)
		}
	}
	return out
}

// changedRequests is what the changed Services ask for; gone ask for nothing.
func changedRequests(snap *config.Snapshot, classes config.Classes) (changed []ipam.Request, gone []config.Key) {
	seen := make(map[config.Key]bool, len(snap.Changed.Services))
	for _, key := range snap.Changed.Services {
		if seen[key] {
			continue
		}
		seen[key] = true
		svc, ok := snap.Services.Get(key)
		if !ok {
			gone = append(gone, key)
			continue
		}
		if req, ok := requestOf(snap, svc, classes); ok {
			changed = append(changed, req)
		} else {
			gone = append(gone, key)
		}
	}
	return changed, gone
}
