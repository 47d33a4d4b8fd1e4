package ipam

import (
	"math/bits"
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// pick chooses an address of p: the lowest that svc can share, else a free one
// by the pool's strategy.
func (d *draft) pick(p *config.Pool, f config.Family, svc *config.Service) netip.Addr {
	if addr := d.sharable(p, f, svc); addr.IsValid() {
		return addr
	}
	switch p.Strategy {
	case config.Random:
		return d.random(p, f, svc)
	case config.LeastRecentlyUsed:
		return d.leastRecent(p, f)
	}
	for _, r := range p.Ranges {
		if config.FamilyOf(r.From) != f {
			continue
		}
		if addr := d.next.used.free(r.From, r.To, p.AvoidBuggyIPs); addr.IsValid() {
			return addr
		}
	}
	return netip.Addr{}
}

// sharesTried bounds how many addresses of a group are looked at for one
// Service. Who uses one key for thousands of Services with one port gets fresh
// addresses, and soon.
const sharesTried = 256

// sharable is the lowest address of p that svc can share with those who have
// it.
func (d *draft) sharable(p *config.Pool, f config.Family, svc *config.Service) (best netip.Addr) {
	if svc.Want.ShareKey == "" {
		return best
	}
	for _, g := range groupsOf(p, svc) {
		addrs := d.shared(g)
		for _, addr := range addrs[:min(len(addrs), sharesTried)] {
			if config.FamilyOf(addr) != f || d.next.layout.poolOf(addr) != p || avoided(p, addr) {
				continue
			}
			if d.obstacle(addr, svc, toGrant) == nil {
				if !best.IsValid() || addr.Less(best) {
					best = addr
				}
				break
			}
		}
	}
	return best
}

// groupsOf lists the groups that svc can join in pool p.
func groupsOf(p *config.Pool, svc *config.Service) []group {
	out := []group{groupOf(svc)}
	if !slices.Contains(p.SharedBy, svc.Namespace) {
		return out
	}
	for _, namespace := range p.SharedBy {
		if namespace != svc.Namespace {
			out = append(out, group{namespace, svc.Want.ShareKey})
		}
	}
	return out
}

// random is the first free address of p at or after one drawn by lot from the
// Service's name, going around.
func (d *draft) random(p *config.Pool, f config.Family, svc *config.Service) netip.Addr {
	var ranges []config.Range
	for _, r := range p.Ranges {
		if config.FamilyOf(r.From) == f {
			ranges = append(ranges, r)
		}
	}
	if len(ranges) == 0 {
		return netip.Addr{}
	}
	i, start := lot(ranges, svc, f)
	from := ranges[i]
	from.From = start
	before := ranges[i]
	before.To = start
	for _, r := range slices.Concat([]config.Range{from}, ranges[i+1:], ranges[:i], []config.Range{before}) {
		if addr := d.next.used.free(r.From, r.To, p.AvoidBuggyIPs); addr.IsValid() {
			return addr
		}
	}
	return netip.Addr{}
}

// lot draws one of the addresses in ranges, always the same for a Service.
func lot(ranges []config.Range, svc *config.Service, f config.Family) (i int, addr netip.Addr) {
	var size wide
	for _, r := range ranges {
		size = size.plus(span(r))
	}
	left := draw(svc, f, size)
	for i, r := range ranges {
		n := span(r)
		if left.less(n) || i == len(ranges)-1 {
			a := wideOf(r.From).plus(left)
			if f == config.IPv4 {
				return i, a.addr4()
			}
			return i, a.addr6()
		}
		left = left.minus(n)
	}
	return 0, netip.Addr{} // not reached: there is a range
}

// span is how many addresses r has; 0 stands for all there are.
func span(r config.Range) wide { return wideOf(r.To).minus(wideOf(r.From)).plus(wide{lo: 1}) }

// draw is a number below size, evenly drawn by a hash of the Service.
func draw(svc *config.Service, f config.Family, size wide) wide {
	hi := hashed(svc, uint64(f))
	if size == (wide{}) {
		return wide{hi, hashed(svc, uint64(f)+1)}
	}
	shift := uint(0)
	if n := size.bitLen(); n > 64 {
		shift = n - 64
	}
	top, _ := bits.Mul64(hi, size.shr(shift).lo)
	low := wide{lo: hashed(svc, uint64(f)+1)}.shr(64 - min(shift, 64))
	return wide{lo: top}.shl(shift).plus(low)
}

// hashed mixes salt, UID and name of svc (FNV-1a, then a finalizer, since
// short texts leave FNV's high bits alike).
func hashed(svc *config.Service, salt uint64) uint64 {
	h := 14695981039346656037 ^ salt
	for _, text := range [...]string{svc.UID, svc.Namespace, svc.Name} {
		for i := range len(text) {
			h = (h ^ uint64(text[i])) * 1099511628211
		}
		h = (h ^ '/') * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
