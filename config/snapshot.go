package config

import (
	"net/netip"
	"slices"
)

// Snapshot is an immutable view of what one process needs from the Kubernetes
// API. Parts that the process did not ask for are empty.
type Snapshot struct {
	Revision uint64 // grows by one with each snapshot of this process

	Services   Table[Key, *Service]
	Endpoints  Table[Key, *Endpoints] // by Service
	Nodes      Table[string, *Node]
	Namespaces Table[string, map[string]string] // name → labels

	Pools    []*Pool             // valid ones, sorted by name
	L2       []*L2Advertisement  // sorted by name
	BGP      []*BGPAdvertisement // sorted by name
	Peers    []*Peer             // sorted by name
	Claims   Table[netip.Addr, *L2Claim]
	Speakers Table[string, *SpeakerStatus] // by node

	Ingresses    Table[Key, *Ingress]
	Certificates Table[Key, *Certificate]

	Problems []Problem // sorted by object, then field
	Changed  Changes   // against the snapshot before
}

// Changes lists what differs from the snapshot before. All set means that
// anything may differ, as in the first snapshot.
type Changes struct {
	All       bool
	Services  []Key // Service or its endpoints, added, changed or gone
	Nodes     []string
	Claims    []netip.Addr
	Ingresses []Key // also: certificates named by them
	Config    bool  // pools, advertisements, peers, namespaces
}

// Merge adds the changes of a later snapshot, for a reader that skipped one.
func (c Changes) Merge(later Changes) Changes {
	return Changes{
		All:       c.All || later.All,
		Services:  append(c.Services[:len(c.Services):len(c.Services)], later.Services...),
		Nodes:     append(c.Nodes[:len(c.Nodes):len(c.Nodes)], later.Nodes...),
		Claims:    append(c.Claims[:len(c.Claims):len(c.Claims)], later.Claims...),
		Ingresses: append(c.Ingresses[:len(c.Ingresses):len(c.Ingresses)], later.Ingresses...),
		Config:    c.Config || later.Config,
	}
}

// MergeSnapshots is next, with the changes of old too, for a reader that
// skipped old.
func MergeSnapshots(old, next *Snapshot) *Snapshot {
	merged := *next
	merged.Changed = old.Changed.Merge(next.Changed)
	Tidy(&merged.Changed)
	return &merged
}

// Tidy sorts the lists and lets every key be there once, so that equal changes
// are equal values and a reader that sleeps does not make them grow for ever.
func Tidy(c *Changes) {
	if c.All {
		*c = Changes{All: true}
		return
	}
	slices.SortFunc(c.Services, Key.Compare)
	slices.SortFunc(c.Ingresses, Key.Compare)
	slices.SortFunc(c.Claims, netip.Addr.Compare)
	slices.Sort(c.Nodes)
	c.Services, c.Ingresses = slices.Compact(c.Services), slices.Compact(c.Ingresses)
	c.Nodes, c.Claims = slices.Compact(c.Nodes), slices.Compact(c.Claims)
}
