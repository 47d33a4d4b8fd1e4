package speaker

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// otherMembers are all members but this node.
func (a *Agent) otherMembers() []announce.Member {
	return slices.DeleteFunc(slices.Clone(a.members), func(m announce.Member) bool { return m.Node == a.Node })
}

// conflicts are the strangers that have addresses of ours, for the report.
func (a *Agent) conflicts() []string {
	var out []string
	for _, c := range a.plan.Probes {
		if p, known := a.found.Probes[c.Addr]; known && !p.Free {
			out = append(out, config.Problem{
				Message: fmt.Sprintf("%v is not announced: %s on %s has it", c.Addr, p.MAC, p.Link),
				Remedy:  "take the address from that host or out of the pool",
			}.String())
		}
	}
	for _, c := range a.found.Conflicts {
		out = append(out, config.Problem{
			Message: fmt.Sprintf("%v is announced here, but %s on %s has it too", c.Addr, c.MAC, c.Link),
			Remedy:  "take the address from that host",
		}.String())
	}
	return out
}

// announcement is what a warning is about.
type announcement struct {
	svc    config.Key
	addr   netip.Addr
	reason string
}

// tellConflicts writes a warning to each Service whose address a stranger has,
// when that is found out.
func (a *Agent) tellConflicts() {
	now := map[announcement]bool{}
	for _, c := range a.plan.Probes {
		if p, known := a.found.Probes[c.Addr]; known && !p.Free {
			a.warn(now, c, "announceFailed", p.MAC, p.Link,
				fmt.Sprintf("%v is not announced: another host, %s, has it, seen on %s of node %q; tried again every 30 s", c.Addr, p.MAC, p.Link, a.Node))
		}
	}
	for _, c := range a.found.Conflicts {
		claim, _ := a.plan.Claim(c.Addr)
		a.warn(now, claim, announce.ReasonAddressInUse, c.MAC, c.Link,
			fmt.Sprintf("another host, %s, has %v too, seen on %s of node %q", c.MAC, c.Addr, c.Link, a.Node))
	}
	a.contested = now
}

// warn tells the Services of c once, as long as it goes on.
func (a *Agent) warn(now map[announcement]bool, c announce.Claim, reason, mac, link, message string) {
	logged := false
	for _, key := range c.Services {
		it := announcement{key, c.Addr, reason}
		if now[it] = true; a.contested[it] {
			continue
		}
		if !logged {
			logged = true
			level.Warn(a.log).Log("msg", "another host has an address of ours", "addr", c.Addr, "link", link, "mac", mac)
		}
		if svc, ok := a.snap.Services.Get(key); ok {
			a.Events.Event(config.Ref{Kind: config.KindService, Key: key}, svc.UID, true, reason, message)
		}
	}
}
