package speaker

import (
	"net/netip"
	"time"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
	"github.com/steelyard-lb/steelyard/l4proxy/relay"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// relayPatience is how long the kernel's table waits for the relay, which answers
// within milliseconds.
const relayPatience = time.Second

// relaying is what is known of the relay on this node.
type relaying struct {
	report  relay.Report
	heard   bool
	since   time.Time // the table waits for it; zero: it does not
	missing bool      // some addresses are not ready for want of it
}

// relayUpdates yields news of the relay; never, if there is none.
func (a *Agent) relayUpdates() <-chan relay.Report {
	if a.Relay == nil {
		return nil
	}
	return a.Relay.Updates()
}

// hearRelay takes in what the relay says.
func (a *Agent) hearRelay(r relay.Report) {
	if r.Problem != a.relay.report.Problem && r.Problem != "" {
		level.Warn(a.log).Log("msg", "relay not reached", "err", r.Problem)
	}
	if r.Port == 0 {
		r.Port = a.relay.report.Port // it will be back there
	}
	a.relay.report, a.relay.heard = r, true
}

// relayAddrs are where the kernel leads connections that are relayed, one for
// each family that this node has; they change when the relay moves.
func (a *Agent) relayAddrs(node *config.Node) []netip.AddrPort {
	if a.Relay == nil || a.relay.report.Port == 0 {
		return nil
	}
	var out []netip.AddrPort
	for _, family := range []config.Family{config.IPv4, config.IPv6} {
		for _, addr := range node.Addrs {
			if config.FamilyOf(addr) == family {
				out = append(out, netip.AddrPortFrom(addr.Unmap(), a.relay.report.Port))
				break
			}
		}
	}
	return out
}

// relayFirst tells the relay what a new table leads to it, beside what the table
// in effect does, and whether the new one has to wait for it: no connection is led
// to a relay that does not know what to do with it. A relay that is away, or slow,
// is not waited for: its addresses are not announced.
func (a *Agent) relayFirst(table l4proxy.Table, now time.Time) (wait bool) {
	if a.Relay == nil {
		return false
	}
	a.Relay.Apply(relay.ConfigOf(table, a.table.table))
	if table.RelayedLen() == 0 || a.relay.report.Problem != "" || a.relay.heard && !a.relayLacks(table) {
		a.relay.since = time.Time{}
		return false
	}
	if a.relay.since.IsZero() {
		a.relay.since = now
	}
	if now.Sub(a.relay.since) < relayPatience {
		return true
	}
	return false
}

// relayAfter tells the relay what the table that is in effect now leads to it.
func (a *Agent) relayAfter(table l4proxy.Table) {
	a.relay.since = time.Time{}
	if a.Relay != nil {
		a.Relay.Apply(relay.ConfigOf(table))
	}
}

// relayLacks tells whether the table leads to the relay what that does not serve.
func (a *Agent) relayLacks(table l4proxy.Table) bool {
	for f := range table.Relayed() {
		if !a.relay.report.Serves[f.Addr] {
			return true
		}
	}
	return false
}

// relayed leaves out of ready the addresses with frontends that the relay does
// not serve, or that the kernel cannot lead to it and refuses.
func (a *Agent) relayed(ready announce.Forwarding) announce.Forwarding {
	table := a.table.table
	var without []netip.Addr
	for f := range table.Relayed() {
		if !a.relay.report.Serves[f.Addr] || !table.Reaches(f) {
			without = append(without, f.Addr.Addr())
		}
	}
	lacks := len(without) > 0
	if lacks != a.relay.missing {
		a.relay.missing = lacks
		level.Info(a.log).Log("msg", map[bool]string{true: "relay does not serve all addresses that need it", false: "relay serves all addresses that need it"}[lacks])
	}
	if !lacks {
		return ready
	}
	edit := ready.Ready.Edit()
	for _, addr := range without {
		edit.Delete(addr)
	}
	ready.Ready = edit.Done()
	return ready
}
