package main

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// lan is a cluster of which a mover sees the claims. A wanted node takes an
// address after a second, if it is able.
type lan struct {
	claims map[netip.Addr]*config.L2Claim
	snaps  chan *config.Snapshot
	able   map[string]bool
	log    []string
}

func newLAN(owners ...string) *lan {
	l := &lan{claims: map[netip.Addr]*config.L2Claim{}, snaps: make(chan *config.Snapshot, 100), able: map[string]bool{"n2": true}}
	addr := netip.MustParseAddr("192.0.2.1")
	for _, owner := range owners {
		l.claims[addr] = &config.L2Claim{Addr: addr, Owner: owner, Epoch: 1}
		addr = addr.Next()
	}
	l.publish()
	return l
}

func (l *lan) publish() {
	nodes, speakers := map[string]*config.Node{}, map[string]*config.SpeakerStatus{}
	for _, n := range []string{"n1", "n2", "n3"} {
		nodes[n] = &config.Node{Name: n, Ready: n != "n3"}
		speakers[n] = &config.SpeakerStatus{Node: n, Forwarder: "off"}
	}
	services, eps := map[config.Key]*config.Service{}, map[config.Key]*config.Endpoints{}
	for addr := range l.claims {
		key := config.Key{Namespace: "t", Name: addr.String()}
		services[key] = &config.Service{Key: key, Type: config.LoadBalancer, Addrs: []netip.Addr{addr}}
		eps[key] = &config.Endpoints{Service: key, Ports: []config.EndpointPort{{Backends: []config.Backend{{Node: "n1", Ready: true}}}}}
	}
	l.snaps <- &config.Snapshot{
		Claims: config.TableOf(l.claims), Nodes: config.TableOf(nodes), Speakers: config.TableOf(speakers),
		Services: config.TableOf(services), Endpoints: config.TableOf(eps), L2: []*config.L2Advertisement{{Name: "all"}},
		Pools: []*config.Pool{{Name: "lan", Ranges: []config.Range{{From: netip.MustParseAddr("192.0.2.1"), To: netip.MustParseAddr("192.0.2.99")}}}},
	}
}

func (l *lan) WishClaim(_ context.Context, claim *config.L2Claim, node string) (*config.L2Claim, error) {
	l.log = append(l.log, fmt.Sprintf("%v wants %q", claim.Addr, node))
	now := *l.claims[claim.Addr]
	if now.Epoch != claim.Epoch {
		return nil, config.ErrConflict
	}
	now.Wanted = node
	l.claims[claim.Addr] = &now
	l.publish()
	if l.able[node] {
		time.Sleep(time.Second)
		l.claims[claim.Addr] = &config.L2Claim{Addr: claim.Addr, Owner: node, Previous: now.Owner, Epoch: now.Epoch + 1}
		l.publish()
	}
	return &now, nil
}

func (l *lan) rebalance(t *testing.T, o rebalanceFlags, addrs ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	var list []netip.Addr
	for _, a := range addrs {
		list = append(list, netip.MustParseAddr(a))
	}
	err := o.rebalance(t.Context(), mover{client: l, snaps: l.snaps, patience: 3 * time.Second}, &out, list)
	return out.String(), err
}

func TestRebalanceShowsAndMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN("n1", "n1", "n1", "n1")
		out, err := l.rebalance(t, rebalanceFlags{})
		if err != nil || !strings.Contains(out, "n1 → n2") || !strings.Contains(out, "2 addresses would move") || l.log != nil {
			t.Errorf("%v, %q:\n%s", err, l.log, out)
		}
		l.publish()
		out, err = l.rebalance(t, rebalanceFlags{yes: true})
		if err != nil || strings.Count(out, ": moved") != 2 || len(l.log) != 2 {
			t.Errorf("%v, %q:\n%s", err, l.log, out)
		}
		l.publish()
		if out, err = l.rebalance(t, rebalanceFlags{yes: true}); err != nil || !strings.Contains(out, "where it belongs") {
			t.Errorf("again: %v:\n%s", err, out)
		}
	})
}

func TestRebalanceTakesAWishBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN("n1", "n1")
		out, err := l.rebalance(t, rebalanceFlags{yes: true, to: "n3"}, "192.0.2.2")
		if err != errNotMoved || !strings.Contains(out, "n3 did not take it within 3s") {
			t.Errorf("%v:\n%s", err, out)
		}
		if want := `192.0.2.2 wants "n3"; 192.0.2.2 wants ""`; strings.Join(l.log, "; ") != want {
			t.Errorf("%q, want %s", l.log, want)
		}
	})
}

func TestRebalanceRefuses(t *testing.T) {
	for addr, o := range map[string]rebalanceFlags{"192.0.2.9": {to: "n2"}, "192.0.2.1": {to: "n9"}} {
		if _, err := newLAN("n1").rebalance(t, o, addr); exitCode(err) != exitUsage {
			t.Errorf("%s to %s: %v", addr, o.to, err)
		}
	}
	var o rebalanceFlags
	o.to = "n2"
	if err := o.run(t.Context(), nil, nil); exitCode(err) != exitUsage {
		t.Errorf("--to without an address: %v", err)
	}
	if err := o.run(t.Context(), nil, []string{"web"}); exitCode(err) != exitUsage {
		t.Errorf("a name for an address: %v", err)
	}
}

// A speaker that reports no interfaces may have any.
func TestReported(t *testing.T) {
	l := newLAN("n1")
	for _, m := range reported(<-l.snaps) {
		if m.Alive != (m.Node != "n3") || m.Links != nil {
			t.Errorf("%+v", m)
		}
	}
}
