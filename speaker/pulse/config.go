package pulse

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/speaker/keys"
)

// Config says who this node is.
type Config struct {
	Node   string     // name of this node, unique in the cluster
	Addr   netip.Addr // address of this node
	Port   uint16     // the same on all nodes
	Keys   keys.Ring  // the gossip's; keys of our own are derived from them
	Tuning Tuning     // the zero value is [DefaultTuning]
}

func (c Config) check() error {
	if c.Node == "" || !c.Addr.IsValid() || c.Port == 0 || len(c.Keys) == 0 || slices.Contains(c.Keys, "") {
		return errors.New("heartbeats need a node name, an address of this node, a port and the gossip's keys")
	}
	return nil
}

func (c Config) self() self {
	if c.Tuning == (Tuning{}) {
		c.Tuning = DefaultTuning
	}
	return self{Node: c.Node, Addr: c.Addr.Unmap(), Port: c.Port, Tuning: c.Tuning}
}
