package nft

import (
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
)

// purge collects which conntrack entries may have gone stale and forgets those
// that have. An entry binds a client to one backend for as long as packets
// flow; when the backend is gone they would go nowhere.
type purge struct {
	all  bool                      // look at every entry
	ours bool                      // look at the connections that we translated
	gone map[l4proxy.Frontend]bool // frontends that are no more
}

func (p *purge) addGone(frontends []l4proxy.Frontend) {
	if p.gone == nil {
		p.gone = map[l4proxy.Frontend]bool{}
	}
	for _, f := range frontends {
		p.gone[f] = true
	}
}

// addDelta notes whether endpoints left a group, and the UDP frontends that
// lead elsewhere. If one led nowhere before, entries without our mark matter
// too: one made while nobody served the port lasts as long as the client sends.
func (p *purge) addDelta(d *l4proxy.Delta) {
	for _, c := range d.ChangedGroups {
		p.ours = p.ours || lost(c.Old, c.New)
	}
	p.ours = p.ours || len(d.OldGroups) > 0
	for _, f := range d.Frontends {
		if f.Proto == config.UDP && f.Old.Action != l4proxy.Forward {
			p.all = true
		}
		if f.New.Action == l4proxy.Pass {
			p.addGone([]l4proxy.Frontend{f.Frontend})
		} else {
			delete(p.gone, f.Frontend)
		}
	}
}

// lost tells whether connections to an endpoint of old do not go on in now.
func lost(old, now *l4proxy.Group) bool {
	kept := make(map[netip.AddrPort]bool, len(now.Backends))
	for _, b := range now.Backends {
		kept[b.Addr] = true
	}
	for _, d := range now.Draining {
		kept[d.Addr] = d.Serving || now.Key.Proto != config.UDP
	}
	return slices.ContainsFunc(old.Backends, func(b l4proxy.Backend) bool { return !kept[b.Addr] }) ||
		slices.ContainsFunc(old.Draining, func(d l4proxy.Drain) bool { return !kept[d.Addr] })
}

// stale tells whether an entry leads where t does not lead any more. Entries
// of others (kube-proxy's cluster IPs) have an original destination that is no
// frontend of ours and are left alone.
func (p *purge) stale(e entry, t l4proxy.Table) bool {
	f := l4proxy.Frontend{Addr: e.origDst, Proto: e.proto}
	target := t.Target(f)
	translated := e.replySrc != e.origDst
	switch {
	case target.Action == l4proxy.Pass:
		return p.gone[f] && e.proto == config.UDP && translated
	case !translated:
		return e.proto == config.UDP // it never met our rules
	}
	return !target.Group.Keeps(e.replySrc) && !t.LedToRelay(e.replySrc)
}

// run looks for stale entries and deletes them. It returns their number. mark
// and mask select the connections that we translated.
func (p *purge) run(ct *conntrack, mark, mask uint32, t l4proxy.Table) (_ int, err error) {
	if !p.all && !p.ours {
		return 0, nil
	}
	if err := ct.open(); err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			ct.close()
		}
	}()
	if p.all {
		mark, mask = 0, 0
	}
	var doomed []entry
	err = ct.dump(mark, mask, func(e entry) {
		if p.stale(e, t) {
			doomed = append(doomed, e.clone())
		}
	})
	if err != nil {
		return 0, err
	}
	return ct.delete(doomed)
}
