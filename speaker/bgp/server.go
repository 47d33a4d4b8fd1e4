package bgp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"

	api "github.com/osrg/gobgp/v3/api"
	gobgp "github.com/osrg/gobgp/v3/pkg/server"

	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// startMu serialises the starts of servers: StartBgp writes options that all
// servers of the process share.
var startMu sync.Mutex

const (
	bgpPort = 179
	// noListener keeps GoBGP from listening, which is the gate's part; 0 would mean port 179.
	noListener = -1
)

// server is one GoBGP server with at most one peer.
type server struct {
	bgp      *gobgp.BgpServer
	cancel   context.CancelFunc
	events   chan event
	asn      uint32           // ours
	listener *net.TCPListener // where the router is waited for; nil: it is connected to
	own      netip.Addr       // this node's address for routers to send to
	port     uint16           // where GoBGP finds the peer; 0 if it has none
}

// event is what GoBGP tells, in its order: a change of the session's state, or of
// what the router sends.
type event struct {
	state api.PeerState_SessionState
	port  uint16      // of the gate that GoBGP has been connected to
	sent  bool        // no change of state: the router has sent something
	end   *api.Family // and that was all of this family (End-of-RIB)
}

// startServer starts a server whose RIB takes local routes only, and watches
// its peer's state. It leaves one parked goroutine behind when stopped:
// GoBGP's Serve has no end.
func startServer(s settings, j *journal) (*server, error) {
	var listener *net.TCPListener
	if s.server.listen.IsValid() {
		var err error
		if listener, err = s.listen(); err != nil {
			return nil, err
		}
	}
	startMu.Lock()
	defer startMu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	srv := &server{
		bgp: gobgp.NewBgpServer(gobgp.LoggerOption(j)), cancel: cancel, events: make(chan event, 16), asn: s.server.asn, listener: listener,
	}
	go srv.bgp.Serve()
	if err := srv.setUp(ctx, s.server); err != nil {
		cancel()
		srv.deafen()
		return nil, err
	}
	return srv, nil
}

// deafen ends the waiting for the router.
func (s *server) deafen() {
	if s.listener != nil {
		s.listener.Close()
	}
}

func (s *server) setUp(ctx context.Context, set serverSettings) error {
	global := &api.Global{Asn: set.asn, RouterId: set.routerID.String(), ListenPort: noListener}
	err := s.bgp.StartBgp(ctx, &api.StartBgpRequest{Global: global})
	if err != nil {
		return fmt.Errorf("start BGP as AS %d, router id %s: %w", set.asn, set.routerID, err)
	}
	if err := s.localOnly(ctx); err != nil {
		return err
	}
	request := &api.WatchEventRequest{Peer: &api.WatchEventRequest_Peer{}}
	if set.learns {
		request.Table = &api.WatchEventRequest_Table{Filters: []*api.WatchEventRequest_Table_Filter{
			{Type: api.WatchEventRequest_Table_Filter_ADJIN}, {Type: api.WatchEventRequest_Table_Filter_EOR},
		}}
	}
	err = s.bgp.WatchEvent(ctx, request, func(r *api.WatchEventResponse) {
		e, ok := eventOf(r)
		if !ok {
			return
		}
		select { // the caller is a goroutine of this watch alone: waiting holds up nobody
		case s.events <- e:
		case <-ctx.Done():
		}
	})
	if err != nil {
		return fmt.Errorf("watch sessions: %w", err)
	}
	return nil
}

// eventOf reads what GoBGP tells; ok is false if that is nothing.
func eventOf(r *api.WatchEventResponse) (e event, ok bool) {
	if t := r.GetTable(); t != nil {
		e.sent = true
		if len(t.Paths) == 1 && t.Paths[0].GetNlri() == nil {
			e.end = t.Paths[0].GetFamily()
		}
		return e, true
	}
	p := r.GetPeer()
	if p.GetType() != api.WatchEventResponse_PeerEvent_STATE || p.GetPeer().GetState() == nil {
		return e, false
	}
	return event{state: p.Peer.State.SessionState, port: uint16(p.Peer.GetTransport().GetRemotePort())}, true
}

// localOnly makes the RIB refuse what routers send. A default of "reject"
// alone would refuse our own routes too, without an error.
func (s *server) localOnly(ctx context.Context) error {
	policy := &api.Policy{Name: "local-only", Statements: []*api.Statement{{
		Name:       "local-only",
		Conditions: &api.Conditions{RouteType: api.Conditions_ROUTE_TYPE_LOCAL},
		Actions:    &api.Actions{RouteAction: api.RouteAction_ACCEPT},
	}}}
	if err := s.bgp.AddPolicy(ctx, &api.AddPolicyRequest{Policy: policy}); err != nil {
		return fmt.Errorf("add import policy: %w", err)
	}
	err := s.bgp.SetPolicyAssignment(ctx, &api.SetPolicyAssignmentRequest{Assignment: &api.PolicyAssignment{
		Name: "global", Direction: api.PolicyDirection_IMPORT, DefaultAction: api.RouteAction_REJECT,
		Policies: []*api.Policy{{Name: policy.Name}},
	}})
	if err != nil {
		return fmt.Errorf("assign import policy: %w", err)
	}
	return nil
}

// apply makes one edit in the RIB; routers hear of it at once.
func (s *server) apply(e edit) error {
	path, err := pathOf(e.route, s.asn, s.own)
	if err != nil {
		return err
	}
	if e.remove {
		err = s.bgp.DeletePath(context.Background(), &api.DeletePathRequest{Path: path})
	} else {
		_, err = s.bgp.AddPath(context.Background(), &api.AddPathRequest{Path: path})
	}
	if err != nil {
		return fmt.Errorf("route %s: %w", e.route.Prefix, err)
	}
	return nil
}

// withdrawAll takes every route back.
func (s *server) withdrawAll() error {
	if err := s.bgp.DeletePath(context.Background(), &api.DeletePathRequest{}); err != nil {
		return fmt.Errorf("withdraw all routes: %w", err)
	}
	return nil
}

// addPeer has GoBGP connect to port, which takes it one to two seconds.
func (s *server) addPeer(set settings, port uint16, restartSeconds uint32) error {
	if err := s.bgp.AddPeer(context.Background(), &api.AddPeerRequest{Peer: peerOf(set, port, restartSeconds)}); err != nil {
		return fmt.Errorf("add peer %s: %w", set.peer.addr, err)
	}
	s.port = port
	return nil
}

func (s *server) updatePeer(set settings, restartSeconds uint32) error {
	_, err := s.bgp.UpdatePeer(context.Background(), &api.UpdatePeerRequest{Peer: peerOf(set, s.port, restartSeconds)})
	if err != nil {
		return fmt.Errorf("update peer %s: %w", set.peer.addr, err)
	}
	return nil
}

// deletePeer forgets the peer; a living session ends with a Cease.
func (s *server) deletePeer() error {
	if s.port == 0 {
		return nil
	}
	s.port = 0
	if err := s.bgp.DeletePeer(context.Background(), &api.DeletePeerRequest{Address: peerName}); err != nil {
		return fmt.Errorf("delete peer: %w", err)
	}
	return nil
}

// disablePeer ends the session with an administrative shutdown and a text
// (RFC 9003), after all routes that are still on their way.
func (s *server) disablePeer(text string) error {
	err := s.bgp.DisablePeer(context.Background(), &api.DisablePeerRequest{Address: peerName, Communication: text})
	if err != nil {
		return fmt.Errorf("shut peer: %w", err)
	}
	return nil
}

// agreed is what the two sides agreed on in their OPENs.
type agreed struct {
	asn              uint32
	holdSeconds      uint64
	keepaliveSeconds uint64
	v4, v6           bool
	again            comeback
}

func (s *server) agreed(set settings) (a agreed) {
	// The error is only for a nil request.
	_ = s.bgp.ListPeer(context.Background(), &api.ListPeerRequest{Address: peerName}, func(p *api.Peer) {
		a.asn, a.holdSeconds = p.GetState().GetPeerAsn(), p.GetTimers().GetState().GetNegotiatedHoldTime()
		a.keepaliveSeconds = p.GetTimers().GetState().GetKeepaliveInterval()
		a.v4, a.v6 = families(p.GetState().GetRemoteCap())
		ours := set.families()
		a.v4, a.v6 = a.v4 && slices.Contains(ours, family4), a.v6 && slices.Contains(ours, family6)
		if set.peer.graceful {
			a.again = comebackOf(p.GetState().GetRemoteCap())
		}
	})
	return a
}

// families are the agreed ones.
func (a agreed) families() (list []*api.Family) {
	if a.v4 {
		list = append(list, family4)
	}
	if a.v6 {
		list = append(list, family6)
	}
	return list
}

// holdsBack tells whether routes wait for the router's End-of-RIB, or for the
// deferral time, as those of a restarting speaker do (RFC 4724 §4.1). They and our
// End-of-RIB go out together, when this ends.
func (s *server) holdsBack() (yes bool) {
	// The error is only for a nil request.
	_ = s.bgp.ListPeer(context.Background(), &api.ListPeerRequest{Address: peerName}, func(p *api.Peer) {
		yes = p.GetGracefulRestart().GetLocalRestarting()
	})
	return yes
}

// received counts the prefixes that the router has sent.
func (s *server) received() (n int) {
	// The error is only for a nil request.
	_ = s.bgp.ListPeer(context.Background(), &api.ListPeerRequest{Address: peerName}, func(p *api.Peer) {
		for _, family := range p.GetAfiSafis() {
			n += int(family.GetState().GetReceived())
		}
	})
	return n
}

// count tells how many of routes go out in the agreed families.
func (a agreed) count(routes []announce.Route) (n int) {
	for _, r := range routes {
		if r.Prefix.Addr().Is4() && a.v4 || r.Prefix.Addr().Is6() && a.v6 {
			n++
		}
	}
	return n
}

// stop ends the server; a session that is still up ends with a Cease.
func (s *server) stop() {
	// StopBgp returns an error for a nil request only.
	_ = s.bgp.StopBgp(context.Background(), &api.StopBgpRequest{})
	s.cancel()
	s.deafen()
}
