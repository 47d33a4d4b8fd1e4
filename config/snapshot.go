package config

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Snapshot is an immutable view of what one process needs from the Kubernetes
// API. Parts that the process did not ask for are empty.
type Snapshot struct {
	Revision uint64 // grows by one with each snapshot of this process
	// Fresh counts how often Services and Reservations were read as they truly
	// are; all that was true at the last of these reads is in here.
	Fresh uint64
	// Since is when the first of the changes in here reached this process.
	Since time.Time

	Services   Table[Key, *Service]
	Endpoints  Table[Key, *Endpoints] // by Service
	Nodes      Table[string, *Node]
	Namespaces Table[string, map[string]string] // name → labels; without those that are being deleted

	Pools  []*Pool             // valid ones, sorted by name
	Former []*Pool             // ranges taken out of pools since this process began, see [Former]
	L2     []*L2Advertisement  // sorted by name
	BGP    []*BGPAdvertisement // sorted by name
	BFD    []*BFDProfile       // sorted by name
	Peers  []*Peer             // sorted by name; each has its BFDProfile
	// Communities are resolved in BGP already.
	Communities []*Community // sorted by name
	Claims      Table[netip.Addr, *L2Claim]

	// Reservations are the readable ones, by their own key.
	Reservations Table[Key, *Reservation]
	// Bound are the reservations whose status binds an address, by address.
	Bound    Table[netip.Addr, *Reservation]
	Speakers Table[string, *SpeakerStatus] // by node

	// ServiceRanges are where ClusterIPs come from, as far as the cluster tells.
	ServiceRanges []netip.Prefix

	Ingresses    Table[Key, *Ingress]
	Certificates Table[Key, *Certificate]
	Orders       Table[Key, *Order] // by their own key
	Reports      Table[Key, *IngressReport]

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
	// Reservations added, changed or gone.
	Reservations []Key
	Config       bool // pools, advertisements, peers, namespaces
	Orders       bool
}

// Merge adds the changes of a later snapshot, for a reader that skipped one.
func (c Changes) Merge(later Changes) Changes {
	return Changes{
		All:          c.All || later.All,
		Services:     append(c.Services[:len(c.Services):len(c.Services)], later.Services...),
		Nodes:        append(c.Nodes[:len(c.Nodes):len(c.Nodes)], later.Nodes...),
		Claims:       append(c.Claims[:len(c.Claims):len(c.Claims)], later.Claims...),
		Ingresses:    append(c.Ingresses[:len(c.Ingresses):len(c.Ingresses)], later.Ingresses...),
		Reservations: append(c.Reservations[:len(c.Reservations):len(c.Reservations)], later.Reservations...),
		Config:       c.Config || later.Config,
		Orders:       c.Orders || later.Orders,
	}
}

// MergeSnapshots is next, with the changes of old too, for a reader that
// skipped old.
func MergeSnapshots(old, next *Snapshot) *Snapshot {
	merged := *next
	merged.Changed = old.Changed.Merge(next.Changed)
	if old.Since.Before(next.Since) && !old.Since.IsZero() {
		merged.Since = old.Since
	}
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
	slices.SortFunc(c.Reservations, Key.Compare)
	c.Reservations = slices.Compact(c.Reservations)
	slices.Sort(c.Nodes)
	c.Services, c.Ingresses = slices.Compact(c.Services), slices.Compact(c.Ingresses)
	c.Nodes, c.Claims = slices.Compact(c.Nodes), slices.Compact(c.Claims)
}

// OurPool is the pool for which addr, shown by svc's status, is ours to serve;
// nil if it is not: an address that somebody else wrote into a status is never
// served. Besides the addresses of pools, those count that a pool edit left
// without one while svc has them: the edit is no decision about svc.
func (s *Snapshot) OurPool(svc *Service, addr netip.Addr) *Pool {
	if p := PoolOf(s.Pools, addr); p != nil {
		return p
	}
	if r, ok := s.Bound.Get(addr); ok && (r.For() == svc.Key || svc.Want.ShareKey != "") && r.Holds(r.For(), addr) {
		return s.poolCalled(r.Status.Pool, r.Status.PoolLabels)
	}
	if p := PoolOf(s.Former, addr); p != nil && slices.Contains(strings.Split(svc.AllocatedFrom, ","), p.Name) {
		return p
	}
	return nil
}

// poolCalled is the pool of that name, or what is left of one that is gone.
func (s *Snapshot) poolCalled(name string, labels map[string]string) *Pool {
	for _, p := range s.Pools {
		if p.Name == name {
			return p
		}
	}
	return &Pool{Name: name, Labels: labels}
}
