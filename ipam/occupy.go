package ipam

import "net/netip"

// take gives addr to e: a rest of it is over.
func (d *draft) take(addr netip.Addr, e *Entry) {
	if m := d.resting(addr); m != nil {
		d.unrest(m)
	}
	d.put(addr, e)
	d.join(addr, e.Service)
}

// vacate removes e from the address space.
func (d *draft) vacate(e *Entry) {
	if e == nil {
		return
	}
	for _, h := range e.Held {
		d.pull(h.Addr, e)
	}
	for _, addr := range e.Leaving() {
		d.pull(addr, e)
	}
}

func (d *draft) put(addr netip.Addr, e *Entry) {
	t := d.tenants(addr)
	d.assign(addr, t, t.add(e))
}

func (d *draft) pull(addr netip.Addr, e *Entry) {
	t := d.tenants(addr)
	d.assign(addr, t, t.without(e))
	d.part(addr, e.Service)
}

// assign makes now the tenants of addr, which were was.
func (d *draft) assign(addr netip.Addr, was, now tenants) {
	l := &d.next
	if now.first == nil {
		l.used = l.used.without(d.made, addr)
	} else {
		l.used = l.used.with(d.made, addr, now)
	}
	switch {
	case was.kept() == now.kept():
	case now.kept():
		l.kept = l.kept.with(d.made, addr, struct{}{})
	default:
		l.kept = l.kept.without(d.made, addr)
	}
	switch {
	case len(l.layout.lru) == 0:
	case now.first != nil:
		d.occupied(addr)
	default:
		d.vacant = append(d.vacant, addr)
	}
}

func (d *draft) tenants(addr netip.Addr) tenants { return d.next.tenants(addr) }
