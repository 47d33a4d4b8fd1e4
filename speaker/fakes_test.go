package speaker

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/host"
	"github.com/steelyard-lb/steelyard/l4proxy"
	"github.com/steelyard-lb/steelyard/l4proxy/health/check"
	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/bfd"
	"github.com/steelyard-lb/steelyard/speaker/bgp"
	"github.com/steelyard-lb/steelyard/speaker/discovery"
	"github.com/steelyard-lb/steelyard/speaker/layer2"
	"github.com/steelyard-lb/steelyard/speaker/pulse"
)

type fakeMembers struct{ *rig }

func (f fakeMembers) Members() <-chan []announce.Member { return f.meets.C() }
func (f fakeMembers) Join(addrs []netip.AddrPort)       { f.joined = addrs }
func (f fakeMembers) Apply([]announce.Link)             {}

func (f fakeMembers) Takeovers() <-chan []announce.Takeover { return f.rumours.C() }

func (f fakeMembers) Health() <-chan []check.Word { return f.words.C() }

func (f fakeMembers) ShareHealth([]check.Word) {}

func (f fakeMembers) TellHealth(list []check.Word, again bool) {
	f.set(func() {
		for _, w := range list {
			f.toldWords = append(f.toldWords, fmt.Sprintf("down=%t again=%t", w.Down, again))
		}
	})
}

// fakeChecker finds what the story says.
type fakeChecker struct{ *rig }

func (f fakeChecker) Apply(list []check.Assignment) { f.set(func() { f.checked = list }) }
func (f fakeChecker) Found() <-chan []check.Verdict { return f.rig.verdicts.C() }

func (f fakeMembers) Share(config.Table[netip.Addr, *config.L2Claim]) {}

func (f fakeMembers) TellTakeovers(list []announce.Takeover) {
	f.set(func() { f.told = append(f.told, slices.Clone(list)...) })
}

func (f fakeMembers) Restarting(ctx context.Context) error {
	f.note("members", "restarting")
	return f.stall(ctx)
}

// Leaving also yields the view in which this node leaves, as the real one does.
func (f fakeMembers) Leaving(ctx context.Context) error {
	f.note("members", "leaving")
	var all []announce.Member
	for _, m := range f.Agent.members {
		m.Leaving = m.Node == f.Node
		all = append(all, m)
	}
	f.meets.Put(all)
	return f.stall(ctx)
}

func (f fakeMembers) Leave(ctx context.Context) error {
	f.note("members", "goodbye")
	return f.stall(ctx)
}

type fakePulse struct{ *rig }

func (f fakePulse) Views() <-chan pulse.View { return f.pulses.C() }
func (f fakePulse) Apply(peers []pulse.Peer) { f.beating = peers }

type fakeHealthPorts struct{ *rig }

func (f fakeHealthPorts) Apply(ports config.Table[l4proxy.HealthPort, int], healthy bool) {
	var out []string
	for p, n := range ports.All() {
		out = append(out, fmt.Sprintf("%v:%d/%v=%d healthy=%t", p.Service, p.Port, p.Family, n, healthy))
	}
	slices.Sort(out)
	f.note("health ports", strings.Join(out, " "))
}

type fakeForwarder struct{ *rig }

func (f fakeForwarder) Apply(t l4proxy.Table) error {
	f.mu.Lock()
	f.applies++
	err := f.tableErr
	f.mu.Unlock()
	if err == nil {
		f.set(func() { f.wrote = t })
		f.note("table", tableText(t))
	}
	return err
}

func (f fakeForwarder) Inspect() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.disturbed
	f.disturbed = nil
	return err
}

func (f fakeForwarder) Remove() error {
	f.note("table", "removed")
	return nil
}

type fakeLAN struct{ *rig }

func (f fakeLAN) Beat() {}

// Ask finds free what strangers do not have, at once.
func (f fakeLAN) Ask(claims []announce.Claim, _ []announce.Member, _ host.State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	probes := map[netip.Addr]announce.Probe{}
	for _, c := range claims {
		probes[c.Addr] = announce.Probe{Free: true}
		if mac, taken := f.strangers[c.Addr]; taken {
			probes[c.Addr] = announce.Probe{Link: "eth0", MAC: mac}
		}
	}
	if !maps.Equal(probes, f.found.Probes) {
		f.found.Probes = probes
		f.stir()
	}
}

func (f fakeLAN) Findings() layer2.Findings {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.found.Probes == nil {
		return layer2.Findings{Probes: map[netip.Addr]announce.Probe{}, Conflicts: f.found.Conflicts}
	}
	return f.found
}

func (f fakeLAN) Changed() <-chan struct{} { return f.heard }

func (f fakeLAN) Apply(claims []announce.Claim, _ host.State) {
	var addrs []netip.Addr
	for _, c := range claims {
		addrs = append(addrs, c.Addr)
	}
	f.note("answer", joined(addrs))
}

type fakeRouters struct{ *rig }

func (f fakeRouters) Apply(sessions []announce.Session) {
	var out []string
	for _, s := range sessions {
		for _, r := range s.Routes {
			if out = append(out, r.Prefix.String()); r.Last {
				out[len(out)-1] += " last"
			}
		}
	}
	if len(sessions) > 0 && len(out) == 0 {
		out = []string{"none"}
	}
	f.note("routes", strings.Join(out, " "))
}

func (f fakeRouters) States() []bgp.SessionState {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.states)
}

func (f fakeRouters) Drop(peer string, why bgp.Reason) {
	f.note("routers", "drop "+peer+": "+why.Kind+", "+why.Text)
}

func (f fakeRouters) Changed() <-chan struct{} { return f.changed }
func (f fakeRouters) Abandon()                 { f.note("routers", "abandoned") }

func (f fakeRouters) Stop(ctx context.Context) error {
	f.note("routers", "stopped")
	return f.stall(ctx)
}

type fakeInbound struct{ *rig }

func (f fakeInbound) Apply(list []announce.Way, settled bool) {
	var out []string
	for _, w := range list {
		out = append(out, fmt.Sprintf("%v via %v", w.Prefix, w.Via))
	}
	f.set(func() { f.settled = settled })
	f.note("inbound", strings.Join(out, " "))
}

func (f fakeInbound) Problems() []string       { return nil }
func (f fakeInbound) Changed() <-chan struct{} { return nil }

func (f fakeInbound) Remove() error {
	if f.shows("inbound") != "" {
		f.note("inbound", "removed")
	}
	return nil
}

type fakeDiscovery struct{ *rig }

func (f fakeDiscovery) Apply(interfaces []string, _ host.State) {
	f.note("looks", strings.Join(interfaces, " "))
}

func (f fakeDiscovery) Findings() map[string]discovery.Finding {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.routers)
}

func (f fakeDiscovery) Changed() <-chan struct{} { return f.moved }

type fakeDetector struct{ *rig }

func (f fakeDetector) Updates() <-chan bfd.Update { return f.bfd.C() }

func (f fakeDetector) Apply(sessions []bfd.Session) {
	var out []string
	for _, s := range sessions {
		out = append(out, fmt.Sprintf("%s %v/%v×%d", s.Name(), s.MinTx, s.MinRx, s.Multiplier))
	}
	f.set(func() { f.watches++ })
	f.note("bfd", strings.Join(out, ", "))
}

// fakeAPI is the API server as far as an agent writes to it.
type fakeAPI struct{ *rig }

// trouble is what keeps the API server from answering.
func (f fakeAPI) trouble(ctx context.Context) error {
	f.mu.Lock()
	mode := f.api
	f.mu.Unlock()
	switch mode {
	case "hang":
		<-ctx.Done()
		return fmt.Errorf("request: %w", ctx.Err())
	case "down":
		return fmt.Errorf("request: %w", &net.OpError{Op: "dial", Err: errDenied})
	case "deny":
		return errDenied
	}
	return nil
}

func (f fakeAPI) SwapClaim(ctx context.Context, addr netip.Addr, prev *config.L2Claim, owner string, links []string, now time.Time) (*config.L2Claim, error) {
	f.mu.Lock()
	f.swaps++
	f.mu.Unlock()
	if err := f.trouble(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if prev != nil && prev.Owner == owner {
		return prev, nil
	}
	if !sameRecord(f.records[addr], prev) {
		return nil, fmt.Errorf("swap: %w", config.ErrConflict)
	}
	f.version++
	c := &config.L2Claim{Addr: addr, Owner: owner, Epoch: 1, Since: now, Version: fmt.Sprint(f.version), Interfaces: links}
	if prev != nil {
		c.Previous, c.Epoch = prev.Owner, prev.Epoch+1
	}
	f.records[addr] = c
	f.journal = append(f.journal, fmt.Sprintf("claim %v epoch %d", addr, c.Epoch))
	if !f.blind {
		f.publish(config.Changes{Claims: []netip.Addr{addr}})
	}
	return c, nil
}

func (f fakeAPI) ReadClaims(ctx context.Context, most int64) ([]*config.L2Claim, error) {
	f.mu.Lock()
	if f.reads++; most == 0 {
		f.readAll++
	}
	f.mu.Unlock()
	if err := f.trouble(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Values(f.records)), nil
}

func (f fakeAPI) DeleteClaim(ctx context.Context, claim *config.L2Claim) error {
	if err := f.trouble(ctx); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.journal = append(f.journal, "delete "+claim.Addr.String())
	delete(f.records, claim.Addr)
	if !f.blind {
		f.publish(config.Changes{Claims: []netip.Addr{claim.Addr}})
	}
	return nil
}

func (f fakeAPI) WriteReport(ctx context.Context, r config.SpeakerReport) error {
	if err := f.trouble(ctx); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reports = append(f.reports, r)
	return nil
}

func (f fakeAPI) Event(ref config.Ref, _ string, _ bool, reason, message string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, fmt.Sprintf("%v %s: %s", ref.Key, reason, message))
}

// Leaves hangs if the API server does, and then knows no better than a restart.
func (f fakeAPI) Leaves(ctx context.Context) (leave bool, why string) {
	if !f.leaves {
		_ = f.trouble(ctx) // only the waiting counts
	}
	return f.leaves, "as told"
}

type fakeHealth struct{ *rig }

func (f fakeHealth) Ready(part string)            { f.note("health "+part, "ready") }
func (f fakeHealth) NotReady(part, reason string) { f.note("health "+part, reason) }
