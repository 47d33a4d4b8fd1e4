package bgp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	api "github.com/osrg/gobgp/v3/api"

	"github.com/steelyard-lb/steelyard/speaker/announce"
)

const (
	// leaveTime bounds the orderly end of a removed peer's session.
	leaveTime = 2 * time.Second
	// lastWordTime bounds what comes after it, to a router that has ceased to read.
	lastWordTime = 500 * time.Millisecond
	// retryTime is after what time something that failed is tried again.
	retryTime = 10 * time.Second
	// againTime is how long a router is left alone that ended the connection before
	// there was a session.
	againTime = 4 * time.Second
	// steadyTime is how long a session must have lived for its fall to be
	// answered at once.
	steadyTime = 10 * time.Second
	// tooManyTime is how long a router that sent too many prefixes is left alone.
	tooManyTime = time.Minute
	// countTime is the time between two counts of what the router has sent.
	countTime = 5 * time.Second
	// heldTime is the time between two looks whether routes are held back yet.
	heldTime = 100 * time.Millisecond
	// patience is after what time of hearing nothing a session says that it waits.
	patience = 5 * time.Second
)

// farewell is how a session should end: quietly, for graceful restart to
// hold, or in order, with a text for the router's operator.
type farewell struct {
	ctx   context.Context
	quiet bool
	drain time.Duration // how long routers have to turn to other nodes; 0: not at all
	text  string
}

// session is one peer's session. Its goroutine owns everything below the line
// and is the only one that calls the session's GoBGP server.
type session struct {
	name    string
	opts    Options
	base    log.Logger
	logger  log.Logger // base, with the router's address
	metrics *metrics
	board   *board
	want    chan announce.Session // one slot, the newest wins
	drops   chan Reason           // one slot
	bye     chan farewell
	done    chan struct{}

	srv     *server // nil before the first success
	journal *journal
	gate    *gate              // the way to the router; nil while there is none, nor a try
	dismiss context.CancelFunc // of gate
	met     bool               // gate has its connection
	over    <-chan struct{}    // the end of gate; nil once it was seen
	last    <-chan struct{}    // the end of the latest gate; nil before there was one
	set     settings           // in force
	known   neighbor           // with dynamicASN, from before this process began
	wanted  announce.Session   // as last handed over
	clean   bool               // every route of wanted is in the RIB
	have    []announce.Route   // in the RIB
	agreed  agreed             // while Established
	state   SessionState
	drop    Reason // of the fall since which it is down
	upSince time.Time
	short   int              // falls in a row of sessions that did not live long
	rejoin  <-chan time.Time // the router is to be tried again
	retry   <-chan time.Time // wanted is to be tried again
	overdue <-chan time.Time // the router should have been heard
	count   <-chan time.Time // what the router sent is to be counted
	held    <-chan time.Time // routes were held back; are they yet?
	fresh   <-chan time.Time // the router has sent something; it is to be looked at
	kept    <-chan time.Time // what is learnt is of a connection that is gone, and is kept until then
	pending []*api.Family    // of which the router has not said that it has sent all
}

func (s *Speaker) newSession(name string, known neighbor, absent bool) *session {
	logger := log.With(s.logger, "peer", name)
	return &session{
		name: name, known: known, opts: s.opts, base: logger, logger: logger, metrics: s.metrics, board: s.board,
		want: make(chan announce.Session, 1), drops: make(chan Reason, 1), bye: make(chan farewell, 1), done: make(chan struct{}),
		journal: newJournal(logger),
		state:   SessionState{Peer: name, State: idle, Since: time.Now(), ASN: known.asn, Absent: absent},
	}
}

// run serves the session until it is told to end, but begins only when others
// have ended: those that leave the same router.
func (s *session) run(others []<-chan struct{}) {
	defer close(s.done)
	for _, ended := range others {
		<-ended
	}
	for {
		var events <-chan event
		if s.srv != nil {
			events = s.srv.events
		}
		var told <-chan news
		if s.gate != nil {
			told = s.gate.news
		}
		select {
		case want := <-s.want:
			s.adopt(want)
		case <-s.retry:
			s.adopt(s.wanted)
		case e := <-events:
			s.moved(e)
		case <-s.journal.news:
			s.noticed()
		case n := <-told:
			s.reached(n)
		case <-s.over:
			s.parted()
		case <-s.rejoin:
			s.rejoined(s.join())
		case <-s.overdue:
			s.wait()
		case <-s.count:
			s.counted()
		case <-s.held:
			s.completed()
			s.publish()
		case <-s.fresh:
			s.learn()
		case <-s.kept:
			s.forget()
			s.publish()
		case why := <-s.drops:
			s.cutOff(why)
		case bye := <-s.bye:
			s.end(bye)
			return
		}
	}
}

// adopt makes want real, or says in the state why it is not and tries again.
func (s *session) adopt(want announce.Session) {
	s.retry = nil
	again := sameList(s.wanted.Routes, want.Routes)
	s.wanted = want
	next := settingsOf(want, s.opts.ConnectTime).knowing(s.known)
	if !next.peer.addr.IsValid() {
		s.lose(want.Missing)
		return
	}
	if again && s.clean && s.srv != nil && s.set == next && (s.gate != nil || s.rejoin != nil) {
		return
	}
	err := s.converge(next)
	s.clean = err == nil
	s.problem(err)
	s.publish()
}

// problem notes what went wrong, if anything, and sees to another try.
func (s *session) problem(err error) {
	if err == nil {
		s.state.Problem = ""
		return
	}
	s.retry = time.After(retryTime)
	if text := err.Error(); text != s.state.Problem {
		level.Warn(s.logger).Log("msg", "session not as wanted", "err", text)
		s.state.Problem = text
	}
}

// converge applies settings at the least cost, and routes always before the
// peer is added: a restarting speaker that has a peer before its routes would
// say "that was all" (End-of-RIB) too early.
func (s *session) converge(next settings) error {
	what := costServer
	if s.srv != nil {
		what = s.set.to(next)
	}
	if what >= costPeer {
		s.part(Reason{KindLocal, "closed by this node: the peer's settings changed"})
	}
	if what == costServer {
		if err := s.restart(next); err != nil {
			return err
		}
	}
	last := s.set
	s.set = next
	if s.state.Addr != next.peer.addr { // what was said was said of another, or before it was found
		if s.state.Addr.IsValid() {
			s.state.ASN = 0 // it was another router's
			s.forget()
		}
		s.state.Addr, s.state.Failing = next.peer.addr, Reason{}
	}
	if !next.server.learns {
		s.forget()
	}
	s.logger = log.With(s.base, "addr", next.peer.addr)
	err := s.edit()
	switch {
	case s.gate == nil && s.rejoin == nil, what > costNone && !s.state.Up(): // other settings are worth another try
		err = errors.Join(err, s.join())
	case what == costUpdate:
		if e := errors.Join(s.gate.follow(next), s.srv.updatePeer(next, s.restartSeconds())); e != nil {
			s.set = last // so that the next try sees a difference
			return e
		}
	}
	return err
}

// restart replaces the server by one with the settings of next.
func (s *session) restart(next settings) error {
	if s.srv != nil {
		s.srv.stop()
		s.srv, s.have = nil, nil
	}
	srv, err := startServer(next, s.journal)
	if err != nil {
		return err
	}
	s.srv = srv
	if srv.own = next.peer.source; !srv.own.IsValid() {
		srv.own = sourceTo(next.peer.addr, next.server.vrf)
	}
	srv.own = srv.own.WithZone("")
	return nil
}

// join opens a way to the router, over which the session will come up.
func (s *session) join() error {
	s.forsake()
	s.rejoin, s.overdue = nil, time.After(patience)
	gate, err := s.newGate()
	if err != nil {
		return err
	}
	s.state.State = "Active"
	if s.srv.listener == nil {
		s.state.State = "Connect"
		err = s.srv.addPeer(s.set, gate.port(), s.restartSeconds()) // GoBGP takes its time to come
	}
	var ctx context.Context
	ctx, s.dismiss = context.WithCancel(context.Background())
	s.gate, s.last, s.over, s.met = gate, gate.done, gate.done, false
	go gate.run(ctx)
	s.publish()
	return err
}

// rejoined takes note of a failed join after a fall; adopt tries it again.
func (s *session) rejoined(err error) {
	if err != nil {
		s.clean = false
		s.problem(err)
		s.publish()
	}
}

// forsake ends the way to the router, if there is one, and what GoBGP has of it: in
// this order, or GoBGP would wait for a router that has ceased to read.
func (s *session) forsake() {
	if s.gate != nil {
		s.dismiss()
		s.gate, s.over, s.met = nil, nil, false
	}
	s.dropPeer()
}

// dropPeer has GoBGP forget the way to the router.
func (s *session) dropPeer() {
	if err := s.srv.deletePeer(); err != nil {
		level.Warn(s.logger).Log("msg", "closing failed", "err", err)
	}
}

// reached lets GoBGP have the connection to the router, or notes why there is none.
// The routes tell the address that this node has on it.
func (s *session) reached(n news) {
	if n.err != nil {
		s.dropPeer() // until there is somebody to talk to
		s.failing(dialReason(n.err, s.set.peer.password != ""))
		return
	}
	s.met, s.overdue = true, time.After(patience)
	if !s.state.Up() { // GoBGP may have been faster
		s.state.State = "OpenSent"
	}
	if n.own != s.srv.own {
		s.srv.own, s.have = n.own, nil
	}
	err := s.edit()
	if s.srv.port != n.port {
		err = errors.Join(err, s.srv.deletePeer(), s.srv.addPeer(s.set, n.port, s.restartSeconds()))
	}
	s.clean = err == nil
	if s.srv.port == 0 {
		s.forsake()
	}
	s.problem(err)
	s.publish()
}

// parted sees to another try after the end of a way over which no session came up. If
// one did, GoBGP tells of its fall. It is left the time to say why.
func (s *session) parted() {
	if s.over = nil; s.state.Up() {
		return
	}
	s.dismiss()
	s.gate, s.met = nil, false
	s.state.State, s.rejoin = idle, time.After(againTime)
	s.publish()
}

// part closes the connection and forgets the peer. With graceful restart the
// router is left to believe that we died, and keeps the routes until the next
// connection.
func (s *session) part(why Reason) {
	s.rejoin = nil
	if s.srv == nil {
		return
	}
	if s.gate == nil {
		s.forsake()
		return
	}
	s.journal.blame(why)
	if s.set.peer.graceful {
		s.gate.cut()
	}
	s.forsake()
	s.drop, s.state.Failing = why, Reason{}
	if s.state.Up() {
		s.fell(why)
	}
}

func (s *session) restartSeconds() uint32 { return uint32(seconds(s.opts.RestartTime)) }

// publish hangs the state out.
func (s *session) publish() {
	s.state.Prefixes = 0
	if s.state.Up() {
		s.state.Prefixes = s.agreed.count(s.have)
	}
	s.metrics.show(s.state)
	s.board.put(s.state)
}

// shut stops the server, and waits until its last words have gone.
func (s *session) shut() {
	s.forsake()
	s.srv.stop()
	if s.last != nil {
		<-s.last
	}
}

// end closes the session for good.
func (s *session) end(bye farewell) {
	if s.srv != nil {
		switch {
		case !bye.quiet:
			s.leave(bye)
		case s.gate != nil:
			s.gate.cut()
		}
		s.shut()
	}
	s.board.remove(s.name)
	s.metrics.forget(s.name)
	level.Info(s.logger).Log("msg", "session ended", "quiet", fmt.Sprint(bye.quiet))
}
