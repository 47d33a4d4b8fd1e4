package l4proxy

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// A group's ID is 64 bits: flags that tell the data plane which rule serves
// it, and a hash that names it. The hash covers the flags, so that a group
// whose rule changes is another group and can be written before it is used.
const (
	idClassShift = 61              // three bits: index into Classes
	IDAffinity   = uint64(1) << 60 // hash the client's address only
	IDRestricted = uint64(1) << 59 // look at the source ranges first
	IDFlags      = uint64(7)<<idClassShift | IDAffinity | IDRestricted
)

// ClassFlags are the ID flags of groups of that class.
func ClassFlags(class int) uint64 { return uint64(class) << idClassShift }

// groupID names a group by what it is, never by when it was made, so that a
// restarted process finds its own work in the kernel. SHA-256 because tenants
// choose Service names and must not be able to aim at each other's groups.
func groupID(k GroupKey, class int, affinity bool, sources []config.Range) uint64 {
	text := fmt.Sprintf("%q %q %q %q %d %t %t %d %t %v", k.Service.Namespace, k.Service.Name,
		k.Port, k.Proto, k.Family, k.Local, k.Restricted, class, affinity, sources)
	if k.Relayed {
		text += " relayed"
	}
	sum := sha256.Sum256([]byte(text))
	id := binary.BigEndian.Uint64(sum[:])&^IDFlags | ClassFlags(class)
	if affinity {
		id |= IDAffinity
	}
	if k.Restricted {
		id |= IDRestricted
	}
	return id
}

// builder makes the part of one Service.
type builder struct {
	basis   *basis
	old     *part // of the table before, or nil
	sources map[config.Family][]config.Range
	part    *part
	made    map[GroupKey]Target
}

// buildPart is what svc contributes; nil if that is nothing, as of a Service that
// another proxy forwards. Groups that equal
// those of old are those of old.
func buildPart(svc *config.Service, eps *config.Endpoints, old *part, b *basis) *part {
	if svc.OtherProxy {
		return nil
	}
	sick, _ := b.down.Get(svc.Key)
	w := builder{basis: b, old: old, part: &part{svc: svc, eps: eps, sick: sick, ours: b.ours(svc), extern: b.externalIPs(svc)}, made: map[GroupKey]Target{}}
	for i := range svc.Ports {
		w.external(&svc.Ports[i])
		w.externalIP(&svc.Ports[i])
		w.nodePort(&svc.Ports[i])
	}
	w.healthPorts()
	if len(w.part.entries)+len(w.part.health) == 0 {
		return nil
	}
	return w.part
}

// sameAs tells whether p and o put the same into a table. Unchanged groups are
// the same pointers.
func (p *part) sameAs(o *part) bool {
	return p.svc.Created.Equal(o.svc.Created) && slices.Equal(p.entries, o.entries) && slices.Equal(p.health, o.health)
}

// ours are the external addresses of svc that are for us to serve, if it is of
// our class: an address that somebody else wrote into the status is not. An
// address of this node stays the node's.
func (b *basis) ours(svc *config.Service) []netip.Addr {
	if svc.Type != config.LoadBalancer || !b.classes.Serve(svc.Class) {
		return nil
	}
	var out []netip.Addr
	for _, addr := range svc.Addrs {
		addr = addr.Unmap()
		if b.snap.OurPool(svc, addr) != nil && !slices.Contains(b.addrs, addr) {
			out = append(out, addr)
		}
	}
	return out
}

// externalIPs are the addresses of spec.externalIPs that are to be forwarded. One
// of this node's is, too: only the ports of the Service are taken from it.
func (b *basis) externalIPs(svc *config.Service) []netip.Addr {
	served, _ := b.extern.Of(b.snap, svc)
	return served
}

// external adds the port on the external addresses.
func (w *builder) external(p *config.ServicePort) {
	if p.Port == 0 {
		return
	}
	for _, addr := range w.part.ours {
		w.add(p, addr, p.Port, len(w.part.svc.SourceRanges) > 0)
	}
}

// externalIP adds the port on the addresses of spec.externalIPs. Source ranges
// are about the load balancer's addresses and do not apply.
func (w *builder) externalIP(p *config.ServicePort) {
	if p.Port == 0 {
		return
	}
	for _, addr := range w.part.extern {
		w.add(p, addr, p.Port, false)
	}
}

// nodePort adds the node port on this node's addresses. Source ranges are
// about the load balancer's addresses and do not apply.
func (w *builder) nodePort(p *config.ServicePort) {
	svc := w.part.svc
	if p.NodePort == 0 || svc.Type != config.NodePort && svc.Type != config.LoadBalancer {
		return
	}
	for _, addr := range w.basis.addrs {
		if len(svc.Families) == 0 || slices.Contains(svc.Families, config.FamilyOf(addr)) {
			w.add(p, addr, p.NodePort, false)
		}
	}
}

func (w *builder) add(p *config.ServicePort, addr netip.Addr, port uint16, restricted bool) {
	f := Frontend{Addr: netip.AddrPortFrom(addr, port), Proto: p.Proto}
	if slices.ContainsFunc(w.part.entries, func(e entry) bool { return e.Frontend == f }) {
		return // a status or a node that lists an address twice
	}
	w.part.entries = append(w.part.entries, entry{
		Frontend: f,
		Target:   w.target(p, config.FamilyOf(addr), restricted),
		external: slices.Contains(w.part.ours, addr),
	})
}

// target is the shared destination of all frontends of one group key.
func (w *builder) target(p *config.ServicePort, family config.Family, restricted bool) Target {
	key := GroupKey{Service: w.part.svc.Key, Port: p.Name, Proto: p.Proto,
		Family: family, Local: w.part.svc.Local, Restricted: restricted}
	if t, ok := w.made[key]; ok {
		return t
	}
	c := w.choose(p, key)
	t := Target{Action: Forward, Group: w.group(key, c)}
	switch {
	case len(c.backends) > 0:
	case c.anywhere && key.Local:
		t.Action = Drop
	default:
		t.Action = Reject
	}
	w.keep(t.Group)
	if key.Local {
		t.Inside = w.inside(p, key)
	}
	if w.relays(p.Proto) {
		t = w.throughRelay(t)
	}
	w.made[key] = t
	return t
}

// choose picks the endpoints of a group.
func (w *builder) choose(p *config.ServicePort, key GroupKey) choice {
	c := choose(w.part.eps.Port(p.Name, p.Proto), key.Family, key.Local, w.part.sick, w.basis)
	c.backends = slices.DeleteFunc(c.backends, func(b Backend) bool {
		addr := b.Addr.Addr() // if external, it would come back to us
		return slices.Contains(w.part.svc.Addrs, addr) || slices.Contains(w.part.extern, addr)
	})
	return c
}

// group makes the group of key, or finds the same one in the part before: its
// slots need not be computed again.
func (w *builder) group(key GroupKey, c choice) *Group {
	g := &Group{Key: key, Backends: c.backends, Draining: c.draining,
		Class: classOf(len(c.backends)), Affinity: w.part.svc.Affinity > 0}
	if key.Restricted {
		g.Sources = w.sourcesOf(key.Family)
	}
	old := w.oldGroup(key)
	if old != nil && old.Class == g.Class && old.Affinity == g.Affinity && slices.Equal(old.Sources, g.Sources) {
		if slices.Equal(old.Backends, g.Backends) && slices.Equal(old.Draining, g.Draining) {
			return old
		}
		g.ID = old.ID
	} else {
		g.ID = groupID(key, g.Class, g.Affinity, g.Sources)
	}
	g.Slots = Spread(g.Backends)
	return g
}

func (w *builder) oldGroup(key GroupKey) *Group {
	if w.old == nil {
		return nil
	}
	for _, g := range slices.Concat(w.old.groups, w.old.behind) {
		if g.Key == key {
			return g
		}
	}
	return nil
}

func (w *builder) sourcesOf(family config.Family) []config.Range {
	if w.sources == nil {
		w.sources = sourceRanges(w.part.svc.SourceRanges)
	}
	return w.sources[family]
}

// SplitFlags reads the flags of a group ID.
func SplitFlags(id uint64) (class int, affinity, restricted bool) {
	return int(id >> idClassShift), id&IDAffinity != 0, id&IDRestricted != 0
}
