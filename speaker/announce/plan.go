package announce

import (
	"net/netip"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// Plan is what [Decide] wants this node to say. All lists are sorted, and must
// not be changed: the next Plan shares with this one what has not changed.
type Plan struct {
	Held     []Claim // those that the record shows
	Unheld   []Claim // those that the record is yet to show
	Probes   []Claim // to addresses that no node had before: the LAN is to be asked first
	Sessions []Session
	Offers   []Offer // what Sessions offer routes for
	// Exceptions are the silences that the API does not show: why this node does
	// not answer for what the record gives it, and, from one node for all, which
	// Services have no endpoint and which addresses nobody could answer for.
	Exceptions []Silence
}

// Claim is the one to addr, if there is one.
func (p *Plan) Claim(addr netip.Addr) (Claim, bool) {
	for _, list := range [][]Claim{p.Held, p.Unheld} {
		if i, ok := slices.BinarySearchFunc(list, Claim{Addr: addr}, compareClaims); ok {
			return list[i], true
		}
	}
	return Claim{}, false
}

// Claim is one address that this node should own on the LAN.
type Claim struct {
	Addr     netip.Addr
	Links    []string // interfaces to answer on, sorted
	Services []config.Key
	Held     bool   // the record already names this node: no swap needed
	OffLink  bool   // no interface of ours is on the address's subnet
	Yielding bool   // kept only until the successor has claimed the address
	Previous string // recorded owner to take over from, "" if none
	Epoch    int64  // recorded epoch, 0 if there is no record
	// Refresh is the time between two unasked announcements; 0: none.
	Refresh time.Duration
}

// Offer is one address for which this node offers a route to some peer.
type Offer struct {
	Addr     netip.Addr
	Services []config.Key
	Peers    int // how many hear of it, by the prefix that most of them get
}

// Session is a BGP session this node should hold, with all its routes.
type Session struct {
	Peer     *config.Peer
	RouterID netip.Addr // IPv4, never invalid
	Routes   []Route    // sorted by prefix

	// Found is where the router of a peer by interface is, with the interface as
	// zone; while it is invalid, Missing says why, unless it has only just been
	// looked for. The decision leaves both open.
	Found   netip.Addr
	Missing string

	// VRF is the number of the device of the peer's VRF; while the peer names one
	// that this node has not, it is 0 and Missing says so. The decision leaves it
	// open.
	VRF int
}

// Router is the address of the session's router; invalid: not found yet, or
// there is no VRF to reach it in.
func (s Session) Router() netip.Addr {
	switch {
	case s.Peer.VRF != "" && s.VRF == 0:
		return netip.Addr{}
	case s.Peer.Interface != "":
		return s.Found
	}
	return s.Peer.Addr.Unmap()
}

// Route is one prefix offered to one peer.
type Route struct {
	Prefix      netip.Prefix
	NextHop     netip.Addr // invalid: this node's address on the session
	LocalPref   uint32     // 0: not set; iBGP only
	MED         uint32     // 0: not set
	Prepend     uint8      // how many times more our AS is put into the AS path; eBGP only
	Weight      uint32     // ready endpoints on this node; 0: not told
	Communities []uint32
	Large       []config.LargeCommunity
	Last        bool // on its way out: routers are to take it only if they have no other (RFC 8326)
}

// Silence is a "no" with its reason: why this node does not announce addr of
// svc by proto ("layer2" or "bgp"; "" for either).
type Silence struct {
	Service config.Key
	Addr    netip.Addr
	Proto   string
	Reason  string // machine-readable, as MetalLB's log reasons: notOwner, noMatchingAdvertisement, …
	Message string // for a person, with names
}

// Member is one node's speaker as seen by membership.
type Member struct {
	Node       string
	Alive      bool
	Leaving    bool   // on its way out: owns nothing new, hands over what it has
	Restarting bool   // back in a moment: keeps what it has, gets nothing new; Alive stays true
	Vacant     bool   // the speaker crashed, the node lives on: it forwards, and its pods serve
	Fresh      bool   // alive only since a moment ago: no address goes home to it yet
	Joining    bool   // of this node only: still looking for the others, takes over nothing
	Links      []Link // interfaces it could announce on; nil: not known, taken as able
}

// Dead tells whether the node itself must be taken as gone, with its pods. A
// speaker that said goodbye, or crashed, leaves a working node behind.
func (m Member) Dead() bool { return !m.Alive && !m.Leaving && !m.Vacant }

// Takeover is an address that a node answers for since its owner died, before
// the record says so, or by a record that others may not have read.
type Takeover struct {
	Addr    netip.Addr
	Node    string // the new owner
	Epoch   int64  // of the record
	Written bool   // the record is written; if not, the node is about to
}

// Link is an interface as other nodes know it: enough to tell whether its node
// can announce an address there.
type Link struct {
	Name     string
	Prefixes []netip.Prefix // masked
	MAC      [6]byte        // zero: not told, by a speaker of an older version
}

// On tells whether addr lies in one of the link's subnets.
func (l Link) On(addr netip.Addr) bool {
	for _, p := range l.Prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
