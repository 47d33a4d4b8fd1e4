package announce

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// drift is a world that changes step by step, as n1 sees it. Objects are
// replaced, never changed, as snapshots do.
type drift struct {
	*world
	*rand.Rand
	ready   map[netip.Addr]int
	off     bool
	probes  map[netip.Addr]Probe
	classes config.Classes
	ignore  bool
	drains  bool
	bound   map[netip.Addr]*config.Reservation
}

func newDrift(seed uint64) *drift {
	d := &drift{Rand: rand.New(rand.NewPCG(seed, 5)), ready: map[netip.Addr]int{}, bound: map[netip.Addr]*config.Reservation{}}
	d.world = randomWorld(d.Rand)
	for range d.IntN(3) {
		d.advertise()
	}
	return d
}

func (d *drift) input() Input {
	in := d.world.input("n1")
	in.Snap.Bound = config.TableOf(d.bound)
	in.Forward = Forwarding{Off: d.off, Ready: config.TableOf(d.ready)}
	in.Probes, in.Classes, in.IgnoreExcludeLabel, in.Draining = maps.Clone(d.probes), d.classes, d.ignore, d.drains
	return in
}

// chance tells true once in n times.
func (d *drift) chance(n int) bool { return d.IntN(n) == 0 }

func (d *drift) node() string { return fmt.Sprintf("n%d", 1+d.IntN(6)) }

func (d *drift) key() config.Key { return config.Key{Name: fmt.Sprint(d.IntN(12))} }

// addr is one of few, so that many are shared, some of them in no pool.
func (d *drift) addr() netip.Addr {
	n := byte(d.IntN(8))
	switch d.IntN(4) {
	case 0:
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: 0x10 + n})
	case 1:
		return netip.AddrFrom4([4]byte{198, 51, 100, n / 4})
	}
	return netip.AddrFrom4([4]byte{192, 0, 2, 10 + n})
}

// step changes something, mostly what concerns single addresses.
func (d *drift) step() {
	switch d.IntN(24) {
	case 0:
		d.remember()
	case 1:
		d.host()
	case 2:
		d.change()
	case 3:
		d.advertise()
	case 4:
		d.pool()
	case 5, 6, 7:
		d.replace()
	case 8, 9:
		d.move()
	case 10:
		k := d.key()
		delete(d.services, k)
		delete(d.endpoints, k)
	case 11, 12:
		delete(d.claims, d.addr())
	case 13, 14, 15, 16:
		d.claim()
	case 17, 18:
		d.forwarder()
	case 19, 20:
		d.probe()
	case 21:
		d.reserve()
	case 22: // nothing
	case 23:
		d.settings()
	}
}

func (d *drift) replace() {
	var addrs []netip.Addr
	for range d.IntN(4) {
		addrs = append(addrs, d.addr())
	}
	svc := d.serve(d.key(), d.some(), addrs...)
	svc.Local, svc.Labels = d.chance(2), map[string]string{"app": fmt.Sprint(d.IntN(2))}
	if d.chance(10) {
		svc.Type = config.ClusterIP
	}
	if d.chance(8) {
		svc.Class = "other"
	}
	if d.chance(3) {
		svc.Want.ShareKey = "x"
	}
	if d.chance(4) {
		svc.AllocatedFrom = "gone"
	}
}

func (d *drift) some() (names []string) {
	for range d.IntN(4) {
		names = append(names, d.node())
	}
	return names
}

// move gives a Service other endpoints, or other states of them.
func (d *drift) move() {
	key := d.key()
	if d.services[key] == nil {
		return
	}
	kept := d.services[key]
	d.serve(key, d.some())
	d.services[key] = kept
	for i := range d.endpoints[key].Ports[0].Backends {
		b := d.backend(key, i)
		b.Ready, b.Serving = d.chance(2), !d.chance(3)
		b.Terminating = !b.Ready && d.chance(2)
	}
	if d.chance(6) {
		delete(d.endpoints, key)
	}
}

func (d *drift) claim() {
	addr := d.addr()
	d.record(addr, d.node())
	if d.chance(4) {
		d.claims[addr].Wanted = d.node()
	}
}

func (d *drift) forwarder() {
	addr := d.addr()
	if d.chance(3) {
		delete(d.ready, addr)
	} else {
		d.ready[addr]++
	}
	if d.chance(8) {
		d.off = !d.off
	}
}

func (d *drift) probe() {
	switch d.IntN(5) {
	case 0:
		d.probes = nil
	case 1:
		d.probes = map[netip.Addr]Probe{}
	case 2:
		delete(d.probes, d.addr())
	default:
		if d.probes != nil {
			d.probes[d.addr()] = Probe{Free: d.chance(2), Link: "eth0", MAC: fmt.Sprint(d.IntN(2))}
		}
	}
}

func (d *drift) reserve() {
	addr := d.addr()
	if d.chance(3) {
		delete(d.bound, addr)
		return
	}
	r := &config.Reservation{Key: config.Key{Name: "r" + addr.String()}, Service: d.key().Name}
	r.Status = config.ReservationStatus{State: config.ReservationBound, Addrs: []netip.Addr{addr}, Pool: []string{"four", "gone"}[d.IntN(2)]}
	d.bound[addr] = r
}

func (d *drift) host() {
	name := d.node()
	if !slices.ContainsFunc(d.members, func(m Member) bool { return m.Node == name }) {
		return
	}
	links := []string{"198.51.100.1/24", "192.0.2.1/24", "2001:db8::1/64"}
	d.members = slices.Clone(d.members)
	d.rehost(name, link("eth0", links[:d.IntN(4)]...), link("lan1", links[d.IntN(3)]))
}

// change alters what is known of one node or its speaker.
func (d *drift) change() {
	d.members = slices.Clone(d.members)
	m := &d.members[d.IntN(len(d.members))]
	node := config.Node{Name: m.Node}
	if old := d.nodes[m.Node]; old != nil {
		node = *old
	}
	switch d.IntN(12) {
	case 0:
		m.Leaving = !m.Leaving
	case 1:
		m.Restarting = !m.Restarting
	case 2:
		m.Fresh = !m.Fresh
	case 3:
		m.Vacant = !m.Vacant
	case 4:
		m.Joining = !m.Joining
	case 5:
		m.Links = nil
	case 6:
		delete(d.nodes, m.Node)
		return
	case 7:
		node.OutOfService = !node.OutOfService
	case 8:
		node.Labels = map[string]string{"name": m.Node, config.ExcludeLabel: ""}
	case 9:
		node.Labels = map[string]string{"name": m.Node}
	case 10:
		d.speakers[m.Node] = &config.SpeakerStatus{Node: m.Node, Forwarder: "nft", ForwarderReady: d.chance(2)}
	default:
		m.Alive = !m.Alive
	}
	d.nodes[m.Node] = &node
}

// advertise adds or takes away an advertisement or a peer.
func (d *drift) advertise() {
	choice := config.PoolChoice{}
	if d.chance(3) {
		choice.ServiceSelectors = []config.Selector{{Requirements: []config.Requirement{{Key: "app", Op: config.In, Values: []string{"1"}}}}}
	}
	if d.chance(4) {
		choice.NodeSelectors = []config.Selector{named(d.node(), "n1")}
	}
	switch d.IntN(6) {
	case 0:
		d.snap.L2 = append(slices.Clone(d.snap.L2), &config.L2Advertisement{PoolChoice: choice, OnReturn: d.chance(2), RequireSubnet: d.chance(4)})
	case 1:
		d.snap.L2 = nil
	case 2, 3:
		ad := &config.BGPAdvertisement{PoolChoice: choice, Length4: []uint8{0, 24, 31, 32, 40}[d.IntN(5)], Length6: []uint8{0, 64, 127}[d.IntN(3)],
			LocalPref: uint32(d.IntN(3)), Communities: []uint32{uint32(d.IntN(3))}, Large: []config.LargeCommunity{{Global: uint32(d.IntN(2))}},
			MED: uint32(d.IntN(3)), Prepend: uint8(d.IntN(3)), Weighted: d.chance(2)}
		if d.chance(3) {
			ad.Peers = []string{"a"}
		}
		d.snap.BGP = append(slices.Clone(d.snap.BGP), ad)
	case 4:
		d.snap.BGP = d.snap.BGP[:d.IntN(len(d.snap.BGP)+1)]
	case 5:
		d.snap.Peers = nil
		for _, name := range []string{"a", "b", "c"}[:d.IntN(4)] {
			p := &config.Peer{Name: name, Addr: netip.MustParseAddr([]string{"192.0.2.254", "2001:db8::fe"}[d.IntN(2)]),
				OneFamily: d.chance(4), MyASN: 64512, PeerASN: 64512 + uint32(d.IntN(2))}
			if d.chance(2) {
				p.BFD = &config.BFDProfile{Name: "x", Multiplier: uint8(3 + d.IntN(2))}
			}
			d.snap.Peers = append(d.snap.Peers, p)
		}
	}
}

// pool makes the first pool begin elsewhere.
func (d *drift) pool() {
	first := *d.snap.Pools[0]
	first.Ranges = []config.Range{{From: netip.AddrFrom4([4]byte{192, 0, 2, byte(10 + d.IntN(4))}), To: netip.MustParseAddr("192.0.9.255")}}
	first.Labels = map[string]string{"x": "y"}
	d.snap.Pools = append([]*config.Pool{&first}, d.snap.Pools[1:]...)
	if d.chance(2) {
		d.snap.Former = []*config.Pool{{Name: "gone", Ranges: []config.Range{{From: addr4, To: addr4.Next()}}}}
	}
}

func (d *drift) remember() { d.snap.Former = nil }

func (d *drift) settings() {
	switch d.IntN(5) {
	case 0:
		d.classes = config.Classes{"", "other"}
	case 1:
		d.classes = nil
	case 2:
		d.ignore = !d.ignore
	case 3:
		d.drains = !d.drains
	}
}

// Whatever changes, the decision made from the one before is the one made from
// scratch, and the one before stays what it was.
func TestUpdateIsDecide(t *testing.T) {
	kinds := map[string]bool{} // of what plans had, so that nothing is left out
	for seed := range uint64(80) {
		w := newDrift(seed)
		var d Decision
		for step := range 60 {
			in := w.input()
			next := Update(d, in)
			want := Decide(in)
			if !same(next, want) {
				t.Fatalf("seed %d, step %d: updated:\n%+v\nfrom scratch:\n%+v", seed, step, next.Plan, want.Plan)
			}
			if d.view != nil {
				if was := Decide(d.view.in); !same(d, was) {
					t.Fatalf("seed %d, step %d: the plan before is now\n%+v\nand was\n%+v", seed, step, d.Plan, was.Plan)
				}
			}
			d = next
			see(kinds, d)
			for range 1 + w.IntN(3) {
				w.step()
			}
		}
	}
	for _, kind := range []string{"claim", "yield", "unheld", "probe", "offer", "aggregate", "last", "exception", "open", "away", "home", "kept"} {
		if !kinds[kind] {
			t.Errorf("no plan with %s", kind)
		}
	}
}

// same tells whether two decisions say the same.
func same(a, b Decision) bool {
	return reflect.DeepEqual(a.Plan, b.Plan) && slices.Equal(a.Silences(), b.Silences())
}

// see notes what d has in it.
func see(kinds map[string]bool, d Decision) {
	for _, c := range d.claims() {
		kinds["claim"], kinds["yield"] = true, kinds["yield"] || c.Yielding
	}
	for _, s := range d.away {
		at, _ := d.seats.Get(s.addr)
		kinds["home"] = kinds["home"] || at.owner == s.home
		kinds["kept"] = kinds["kept"] || at.owner != s.home
	}
	for _, s := range d.Sessions {
		kinds["last"] = kinds["last"] || slices.ContainsFunc(s.Routes, func(r Route) bool { return r.Last })
	}
	d.carriedBy(func(n int) { kinds["aggregate"] = kinds["aggregate"] || n > 1 })
	for kind, n := range map[string]int{"unheld": len(d.Unheld), "probe": len(d.Probes), "offer": len(d.Offers),
		"exception": len(d.Exceptions), "open": len(d.open), "away": len(d.away)} {
		kinds[kind] = kinds[kind] || n > 0
	}
}

func (d *Decision) carriedBy(see func(int)) {
	for _, tallies := range d.carried.All() {
		for _, t := range tallies {
			see(t.addrs)
		}
	}
}
