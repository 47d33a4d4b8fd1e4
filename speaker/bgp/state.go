package bgp

import (
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	api "github.com/osrg/gobgp/v3/api"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
	"google.golang.org/protobuf/types/known/anypb"
)

// SessionState is what one session looks like at one moment.
type SessionState struct {
	Peer      string     // name of the BGPPeer
	Addr      netip.Addr // of the router
	State     string     // Idle, Connect, Active, OpenSent, OpenConfirm, Established (RFC 4271 §8.2.2)
	Since     time.Time  // of State; steps on the way to Established count as one state
	ASN       uint32     // the router's, as it said last; 0: not yet
	HoldTime  time.Duration
	Keepalive time.Duration
	Families  []string // agreed ones, of "ipv4", "ipv6"
	Prefixes  int      // offered to the router on this session; 0 while not Established
	Received  int      // prefixes that the router sent, counted now and then
	Complete  bool     // the router is sent all routes and, with graceful restart, the End-of-RIB (RFC 4724)

	// Absent: the router was away for 30 s at least when the process before this
	// one reported last.
	Absent bool

	// Learnt is what the router sends, sorted by prefix, if any of it may be used
	// (toReceive). With graceful restart it outlasts the session for a while.
	Learnt []announce.Learnt
	Heard  bool // the router has sent all that it has, as far as that can be told

	Flaps      int    // falls from Established
	LastDrop   Reason // why it fell last; empty if it never did
	LastDropAt time.Time
	Failing    Reason // why it does not come up; empty while it is Established or not known
	Problem    string // what this node cannot do as told, and why; empty if nothing
}

// Why tells in words why no routes are exchanged: what fails now, and why the
// session fell, if it was up before. It is empty while routes are exchanged.
func (s SessionState) Why() string {
	switch {
	case s.Up():
		return ""
	case s.Failing.Text == "" || s.Failing == s.LastDrop:
		return s.LastDrop.Text
	case s.LastDrop.Text == "":
		return s.Failing.Text
	}
	return s.Failing.Text + " (it fell before: " + s.LastDrop.Text + ")"
}

// Up tells whether routes are exchanged.
func (s SessionState) Up() bool { return s.State == established }

const (
	idle        = "Idle"
	established = config.SessionEstablished
)

var stateNames = map[api.PeerState_SessionState]string{
	api.PeerState_UNKNOWN: idle, api.PeerState_IDLE: idle, api.PeerState_CONNECT: "Connect",
	api.PeerState_ACTIVE: "Active", api.PeerState_OPENSENT: "OpenSent",
	api.PeerState_OPENCONFIRM: "OpenConfirm", api.PeerState_ESTABLISHED: established,
}

// families reads which address families a router is able to take. One that
// says nothing takes IPv4 (RFC 4760 §8).
func families(caps []*anypb.Any) (v4, v6 bool) {
	said := false
	for _, c := range caps {
		var mp api.MultiProtocolCapability
		if c.UnmarshalTo(&mp) != nil {
			continue
		}
		said = true
		v4 = v4 || mp.Family.GetAfi() == api.Family_AFI_IP && mp.Family.GetSafi() == api.Family_SAFI_UNICAST
		v6 = v6 || mp.Family.GetAfi() == api.Family_AFI_IP6 && mp.Family.GetSafi() == api.Family_SAFI_UNICAST
	}
	return v4 || !said, v6
}

// board is where sessions hang out their state for others to read.
type board struct {
	changed chan struct{}

	mu     sync.Mutex
	states map[string]SessionState
}

func newBoard() *board {
	return &board{changed: make(chan struct{}, 1), states: map[string]SessionState{}}
}

// put hangs s out; only a state that differs is told.
func (b *board) put(s SessionState) {
	b.mu.Lock()
	old, known := b.states[s.Peer]
	b.states[s.Peer] = s
	b.mu.Unlock()
	if !known || !reflect.DeepEqual(old, s) {
		b.tell()
	}
}

func (b *board) remove(peer string) {
	b.mu.Lock()
	delete(b.states, peer)
	b.mu.Unlock()
	b.tell()
}

func (b *board) tell() {
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// list is all states, sorted by peer.
func (b *board) list() []SessionState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.SortedFunc(maps.Values(b.states), func(x, y SessionState) int {
		return strings.Compare(x.Peer, y.Peer)
	})
}
