package peering

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
)

// speaker is the test program of speaker/bgp in the part of a speaker.
type speaker struct {
	*proc.Proc
	orders *os.File
}

// order is what the speaker is told: one JSON value, of which the fields are
// named as those of the product's types.
type order struct {
	Op       string
	Sessions []session
	Many     int // routes that each session has besides its own
}

type session struct {
	Peer     peer
	RouterID netip.Addr
	Routes   []route
}

type peer struct {
	Name            string
	MyASN, PeerASN  uint32
	Addr            netip.Addr
	HoldTime        time.Duration
	KeepaliveTime   time.Duration
	ConnectTime     time.Duration
	GracefulRestart bool
	OneFamily       bool
}

type route struct{ Prefix netip.Prefix }

// sessionTo is one of the node's sessions, without routes.
func sessionTo(router netip.Addr) session {
	return session{
		Peer: peer{
			Name: router.String(), MyASN: nodeASN, PeerASN: routerASN, Addr: router,
			HoldTime: 6 * time.Second, KeepaliveTime: 2 * time.Second, ConnectTime: time.Second, GracefulRestart: true,
		},
		RouterID: addrsOf(theNode)[0],
	}
}

// startSpeaker starts a speaker without sessions on the node.
func (b *bed) startSpeaker() (*speaker, error) {
	program, err := lab.Tool("bgp.test")
	if err != nil {
		return nil, err
	}
	ns, err := b.ns(theNode)
	if err != nil {
		return nil, err
	}
	in, orders, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	p, err := proc.Start(ns, b.lab.Logs(), proc.Spec{
		Name: theNode + "-speaker", Argv: []string{program}, Stdin: in,
		Env: []string{"STEELYARD_BGP_TEST_ROLE=speaker", "STEELYARD_BGP_TEST_QUIET=1"},
	})
	if err != nil {
		orders.Close()
		return nil, err
	}
	return &speaker{p, orders}, nil
}

// apply says which sessions there should be.
func (s *speaker) apply(many int, sessions ...session) error {
	if err := json.NewEncoder(s.orders).Encode(order{"apply", sessions, many}); err != nil {
		return fmt.Errorf("order to %s: %w: %s", s.Name, err, s.Tail(3))
	}
	return nil
}

// kill is kill -9.
func (s *speaker) kill() error {
	s.orders.Close() // nothing is written to it any more
	return s.Kill()
}
