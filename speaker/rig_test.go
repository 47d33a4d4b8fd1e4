package speaker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/feed"
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

// rig is a cluster as the agent of n1 sees it. All its fakes write what they
// are told to one journal, in order; repetitions are left out.
type rig struct {
	*Agent
	t        *testing.T
	logs     *book
	snaps    *feed.Latest[*config.Snapshot]
	meets    *feed.Latest[[]announce.Member]
	pulses   *feed.Latest[pulse.View]
	rumours  *feed.Latest[[]announce.Takeover]
	words    *feed.Latest[[]check.Word]    // of others, about backends
	verdicts *feed.Latest[[]check.Verdict] // of this node's checks
	hosts    *feed.Latest[host.State]
	changed  chan struct{} // of routers
	heard    chan struct{} // of the LAN

	mu        sync.Mutex
	journal   []string
	last      map[string]string // by kind of line
	services  map[config.Key]*config.Service
	endpoints map[config.Key]*config.Endpoints
	nodes     map[string]*config.Node
	records   map[netip.Addr]*config.L2Claim
	next      config.Snapshot
	api       string // "": well; "hang", "down" or "deny"
	blind     bool   // writes do not show in snapshots
	version   int
	swaps     int
	reads     int // of records; readAll: of all of them
	readAll   int
	tableErr  error
	disturbed error // what the next inspection finds
	applies   int
	wrote     l4proxy.Table
	reports   []config.SpeakerReport
	events    []string
	joined    []netip.AddrPort
	told      []announce.Takeover // to the others
	toldWords []string            // about backends
	checked   []check.Assignment
	beating   []pulse.Peer // who is watched
	leaves    bool
	stuck     bool // peers and members hang
	states    []bgp.SessionState
	bfd       *feed.Latest[bfd.Update]
	watches   int                   // times that sessions of BFD were applied
	strangers map[netip.Addr]string // MACs on the LAN
	found     layer2.Findings
	routers   map[string]discovery.Finding // on links
	moved     chan struct{}                // of routers on links
	settled   bool                         // what an earlier process left in the kernel is of no use

	cancel context.CancelFunc
	end    chan error
}

var (
	addr4 = netip.MustParseAddr("192.0.2.10")
	web   = config.Key{Namespace: "default", Name: "web"}
)

// story runs fn in a bubble of its own time, with a cluster of nodes n1….
func story(t *testing.T, nodes int, fn func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { fn(newRig(t, nodes)) })
}

func newRig(t *testing.T, nodes int) *rig {
	r := &rig{
		t: t, logs: &book{}, snaps: feed.NewLatest(config.MergeSnapshots), meets: feed.NewLatest[[]announce.Member](nil), pulses: feed.NewLatest[pulse.View](nil), rumours: feed.NewLatest[[]announce.Takeover](nil),
		words: feed.NewLatest[[]check.Word](nil), verdicts: feed.NewLatest[[]check.Verdict](nil),
		hosts: feed.NewLatest[host.State](nil), bfd: feed.NewLatest[bfd.Update](nil), changed: make(chan struct{}, 1), heard: make(chan struct{}, 1), moved: make(chan struct{}, 1), last: map[string]string{},
		services: map[config.Key]*config.Service{}, endpoints: map[config.Key]*config.Endpoints{},
		nodes: map[string]*config.Node{}, records: map[netip.Addr]*config.L2Claim{}, end: make(chan error, 1),
	}
	for i := 1; i <= nodes; i++ {
		name := fmt.Sprintf("n%d", i)
		r.nodes[name] = &config.Node{Name: name, Ready: true, Addrs: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})}}
	}
	r.next.Pools = []*config.Pool{{Name: "lan", Ranges: []config.Range{{From: addr4, To: netip.MustParseAddr("192.0.9.255")}}}}
	r.next.L2 = []*config.L2Advertisement{{Name: "all"}}
	r.Agent = New(log.NewLogfmtLogger(r.logs), Parts{
		Node: "n1", Namespace: "steelyard-system", Version: "test", GossipPort: 7956, PulsePort: 7957,
		Snapshots: r.snaps.C(), Hosts: r.hosts.C(), Members: fakeMembers{r}, Pulse: fakePulse{r}, Forwarder: fakeForwarder{r}, HealthPorts: fakeHealthPorts{r}, Checker: fakeChecker{r}, LAN: fakeLAN{r},
		Routers: fakeRouters{r}, Detector: fakeDetector{r}, Discovery: fakeDiscovery{r}, Inbound: fakeInbound{r}, Claims: fakeAPI{r}, Records: fakeAPI{r}, Reports: fakeAPI{r}, Events: fakeAPI{r}, Ask: fakeAPI{r}, Health: fakeHealth{r},
	})
	return r
}

// serve adds a Service with an endpoint on each of the named nodes.
func (r *rig) serve(key config.Key, addr netip.Addr, on ...string) *config.Service {
	svc := &config.Service{Key: key, Type: config.LoadBalancer, Addrs: []netip.Addr{addr},
		Ports: []config.ServicePort{{Name: "http", Proto: config.TCP, Port: 80}}}
	port := config.EndpointPort{Name: "http", Proto: config.TCP}
	for i, node := range on {
		port.Backends = append(port.Backends, config.Backend{
			Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 80), Node: node, Ready: true, Serving: true})
	}
	r.services[key], r.endpoints[key] = svc, &config.Endpoints{Service: key, Ports: []config.EndpointPort{port}}
	return svc
}

// local makes the external traffic policy of web Local, or takes that back.
func (r *rig) local(yes bool) {
	svc := *r.services[web]
	svc.Local = yes
	r.services[web] = &svc
}

// record notes an owner, as if its speaker had written it.
func (r *rig) record(addr netip.Addr, owner string, epoch int64) {
	r.version++
	r.records[addr] = &config.L2Claim{Addr: addr, Owner: owner, Epoch: epoch, Version: fmt.Sprint(r.version)}
}

// publish hands out a snapshot of how things are.
func (r *rig) publish(ch config.Changes) {
	r.next.Revision++
	snap := r.next
	snap.Services, snap.Endpoints = config.TableOf(r.services), config.TableOf(r.endpoints)
	snap.Nodes, snap.Claims, snap.Changed = config.TableOf(r.nodes), config.TableOf(r.records), ch
	r.snaps.Put(&snap)
}

func (r *rig) publishAll() { r.publish(config.Changes{All: true}) }

// alive tells the agent who lives; the others of the cluster are dead.
func (r *rig) alive(names ...string) {
	var all []announce.Member
	for name := range r.nodes {
		all = append(all, announce.Member{Node: name, Alive: slices.Contains(names, name)})
	}
	slices.SortFunc(all, func(a, b announce.Member) int { return strings.Compare(a.Node, b.Node) })
	r.meets.Put(all)
}

func (r *rig) linkUp() {
	r.hosts.Put(host.State{Links: []host.Link{{Name: "eth0", Index: 2, Up: true, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1},
		Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}}}})
}

// run starts the agent with all nodes alive and waits until it has settled.
func (r *rig) run() {
	r.publishAll()
	r.alive(sortedNames(r.nodes)...)
	r.linkUp()
	r.begin()
}

func (r *rig) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() { r.end <- r.Agent.Run(ctx) }()
	synctest.Wait()
}

// stop ends the agent as SIGTERM does and returns how long that took.
func (r *rig) stop() time.Duration {
	r.t.Helper()
	begin := time.Now()
	r.cancel()
	if err := <-r.end; err != nil {
		r.t.Errorf("Run: %v", err)
	}
	return time.Since(begin)
}

// pass lets time pass and everybody settle.
func (r *rig) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// set changes how the fakes behave while the agent runs.
func (r *rig) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// stir tells that the LAN's findings changed.
func (r *rig) stir() {
	select {
	case r.heard <- struct{}{}:
	default:
	}
}

// note writes a line unless the last one of its kind said the same.
func (r *rig) note(kind, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last[kind] != text {
		r.last[kind] = text
		r.journal = append(r.journal, strings.TrimSpace(kind+" "+text))
	}
}

// shows is what was noted last of a kind.
func (r *rig) shows(kind string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last[kind]
}

// owner is whom the record of addr names.
func (r *rig) owner(addr netip.Addr) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.records[addr].Owner
}

// lines is the journal since the last call of did.
func (r *rig) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.journal)
}

// did compares the journal since the last call.
func (r *rig) did(want ...string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.journal, want) {
		r.t.Errorf("did:\n  %s\nwant:\n  %s", strings.Join(r.journal, "\n  "), strings.Join(want, "\n  "))
	}
	r.journal = nil
}

// book is what was logged, to be read while more is.
type book struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (r *rig) logged(text string) int { return strings.Count(r.logs.String(), text) }

func sortedNames(nodes map[string]*config.Node) (out []string) {
	for name := range nodes {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// stall waits as long as a peer that hangs would make one wait.
func (r *rig) stall(ctx context.Context) error {
	if !r.stuck {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

var errDenied = errors.New("forbidden")

// tableText are the addresses of a table, and where unknown connections go.
func tableText(t l4proxy.Table) string {
	var hops []string
	for addr, hop := range t.Chances().Hops {
		hops = append(hops, fmt.Sprintf(" %v→%v", addr, hop.Addr))
	}
	slices.Sort(hops)
	return joined(slices.Collect(t.Addrs())) + strings.Join(hops, "")
}

func joined(addrs []netip.Addr) string {
	slices.SortFunc(addrs, netip.Addr.Compare)
	var out []string
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return strings.Join(out, " ")
}
