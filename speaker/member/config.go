package member

import (
	"errors"
	"fmt"
	"log"
	"net/netip"
	"slices"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/steelyard-lb/steelyard/speaker/keys"
)

// DefaultPort is the port for gossip, TCP and UDP. MetalLB's is 7946: both
// can run on one node.
const DefaultPort = 7956

// RestartGrace is how long a member that said it restarts is waited for.
const RestartGrace = 30 * time.Second

// Config says who this member is.
type Config struct {
	Node     string     // name of this node, unique in the cluster
	BindAddr netip.Addr // address of this node: bound, and told to the others
	BindPort uint16     // the same on all nodes; 0 is DefaultPort
	Keys     keys.Ring  // shared secrets; the SHA-256 of each is an AES-256 key
	Tuning   Tuning
}

// Tuning trades speed of detection against traffic and false alarms. Zero
// fields take the values of [DefaultTuning]. It must be the same everywhere.
type Tuning struct {
	ProbeInterval  time.Duration // between two probes sent by one node
	ProbeTimeout   time.Duration // wait for a direct answer, before others are asked
	SuspicionMult  int           // suspicion lasts about this many probe intervals
	SuspicionMax   int           // times longer while nobody confirms it
	GossipInterval time.Duration
	AwarenessMax   int // slows probes of a node that cannot keep up, at most so many times
}

// DefaultTuning finds a dead node in 0.5 to 1 s on a LAN and leaves a node
// whose processors are all busy alive; both are measured by the tests.
var DefaultTuning = Tuning{
	ProbeInterval:  100 * time.Millisecond,
	ProbeTimeout:   50 * time.Millisecond,
	SuspicionMult:  5,
	SuspicionMax:   2,
	GossipInterval: 40 * time.Millisecond,
	AwarenessMax:   4,
}

func (t Tuning) withDefaults() Tuning {
	pick := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	count := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	pick(&t.ProbeInterval, DefaultTuning.ProbeInterval)
	pick(&t.ProbeTimeout, DefaultTuning.ProbeTimeout)
	pick(&t.GossipInterval, DefaultTuning.GossipInterval)
	count(&t.SuspicionMult, DefaultTuning.SuspicionMult)
	count(&t.SuspicionMax, DefaultTuning.SuspicionMax)
	count(&t.AwarenessMax, DefaultTuning.AwarenessMax)
	return t
}

// validate names what is missing.
func (c Config) validate() error {
	var errs []error
	if c.Node == "" {
		errs = append(errs, errors.New("the node has no name"))
	}
	if !c.BindAddr.IsValid() || c.BindAddr.IsUnspecified() || c.BindAddr.IsMulticast() {
		errs = append(errs, fmt.Errorf("bind address %v: an address of this node is needed", c.BindAddr))
	}
	if len(c.Keys) == 0 || slices.Contains(c.Keys, "") {
		errs = append(errs, errors.New("a key is missing or empty: gossip is never sent in the clear"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("membership: %w", err)
	}
	return nil
}

// library is what memberlist is told. Its own fast failure paths stay on: TCP
// probes tell a lost datagram from a dead node.
func (c Config) library(d *delegate, ring *memberlist.Keyring, logs *log.Logger) *memberlist.Config {
	t := c.Tuning
	m := memberlist.DefaultLANConfig()
	m.Name = c.Node
	m.BindAddr, m.BindPort = c.BindAddr.String(), int(c.BindPort)
	m.AdvertiseAddr, m.AdvertisePort = m.BindAddr, m.BindPort
	m.Keyring = ring
	m.EnableCompression = false // packets are small
	m.ProbeInterval, m.ProbeTimeout = t.ProbeInterval, t.ProbeTimeout
	m.SuspicionMult, m.SuspicionMaxTimeoutMult = t.SuspicionMult, t.SuspicionMax
	m.GossipInterval, m.AwarenessMaxMultiplier = t.GossipInterval, t.AwarenessMax
	m.TCPTimeout = time.Second
	m.PushPullInterval = 15 * time.Second
	m.GossipToTheDeadTime = 10 * time.Second
	m.DeadNodeReclaimTime = time.Second // a node may come back with another address
	m.Delegate, m.Events, m.Conflict = d, d, d
	m.Logger = logs
	return m
}
