package bgp

import (
	"context"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// DefaultDrainTime is how long routes are the last choice before they go.
const DefaultDrainTime = 2 * time.Second

// Options are the settings that hold for all sessions. The zero value is
// complete.
type Options struct {
	// RestartTime is how long routers with graceful restart should keep the
	// routes of a node that went silent (RFC 4724 §3). 120 s if zero, at most
	// 4095 s; whole seconds.
	RestartTime time.Duration
	// ConnectTime is the time between connection attempts to peers that state
	// none. 3 s if zero.
	ConnectTime time.Duration
	// DrainTime is how long a node that leaves goes on offering its routes as
	// the last choice (RFC 8326), for routers to turn to other nodes.
	// [DefaultDrainTime] if zero.
	DrainTime time.Duration
	// Recall reads what the speaker before this one reported of its sessions: a
	// router with dynamicASN is asked for the AS that it had, and one that was away
	// is told from others. nil: nothing is known.
	Recall func(context.Context) ([]config.SessionReport, error)
}

func (o Options) withDefaults() Options {
	if o.RestartTime == 0 {
		o.RestartTime = 120 * time.Second
	}
	o.RestartTime = min(o.RestartTime, 4095*time.Second)
	if o.ConnectTime == 0 {
		o.ConnectTime = 3 * time.Second
	}
	if o.DrainTime == 0 {
		o.DrainTime = DefaultDrainTime
	}
	return o
}

// Speaker holds this node's BGP sessions. Apply, Drop, States, Stop and Abandon may
// be called from any goroutine while Run runs; of concurrent Applies the last
// one counts.
type Speaker struct {
	logger  log.Logger
	opts    Options
	metrics *metrics
	board   *board
	plans   chan []announce.Session // one slot, the newest wins
	drops   chan drop
	byes    chan farewell
	done    chan struct{} // closed when Run has returned
}

// New makes a speaker without sessions and registers its metrics.
func New(logger log.Logger, registerer prometheus.Registerer, opts Options) (*Speaker, error) {
	m, err := newMetrics(registerer)
	if err != nil {
		return nil, err
	}
	return &Speaker{
		logger: logger, opts: opts.withDefaults(), metrics: m, board: newBoard(),
		plans: make(chan []announce.Session, 1), drops: make(chan drop), byes: make(chan farewell), done: make(chan struct{}),
	}, nil
}

// Apply makes sessions the ones that should be, with exactly their routes. It
// hands them over and returns; what became of them is in [Speaker.States]. The
// sessions and all they reach must not be changed afterwards. Handing over the
// same again costs a comparison.
func (s *Speaker) Apply(sessions []announce.Session) { post(s.plans, sessions) }

// Drop ends the session of a peer at once, if it is up, because of what was
// found out elsewhere; it comes back as after any fall. If the router can still
// be reached it is told by a NOTIFICATION, so that it does not keep the routes
// by graceful restart: it would go on sending where nothing arrives.
func (s *Speaker) Drop(peer string, why Reason) {
	select {
	case s.drops <- drop{peer, why}:
	case <-s.done:
	}
}

// drop is a session that is to fall.
type drop struct {
	peer string
	why  Reason
}

// States is the state of every session, sorted by peer.
func (s *Speaker) States() []SessionState { return s.board.list() }

// Changed receives a value after States changed; several changes may be told
// by one value. It is meant for one reader.
func (s *Speaker) Changed() <-chan struct{} { return s.board.changed }

// Run owns all sessions until Stop, Abandon or the end of ctx, which counts as
// Abandon. It may be called once. Its error is always nil so far.
func (s *Speaker) Run(ctx context.Context) error {
	defer close(s.done)
	r := newRoster(s)
	memory := make(chan map[string]config.SessionReport, 1)
	go func() { memory <- s.recall(ctx) }()
	var plans <-chan []announce.Session // none before the memory is back
	for {
		select {
		case r.memory = <-memory:
			plans = s.plans
		case plan := <-plans:
			r.reconcile(plan)
		case d := <-s.drops:
			if m := r.live[d.peer]; m != nil {
				post(m.drops, d.why)
			}
		case bye := <-s.byes:
			r.end(bye)
			return nil
		case <-ctx.Done():
			r.end(farewell{ctx: ctx, quiet: true})
			return nil
		}
	}
}

// recallTime is how long sessions wait for what is known of their routers.
const recallTime = 2 * time.Second

// recall is what was last reported of sessions, by BGPPeer.
func (s *Speaker) recall(ctx context.Context) map[string]config.SessionReport {
	if s.opts.Recall == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, recallTime)
	defer cancel()
	reports, err := s.opts.Recall(ctx)
	if err != nil {
		level.Warn(s.logger).Log("msg", "nothing is known of routers: those with dynamicASN are asked for their AS anew", "err", err)
	}
	out := map[string]config.SessionReport{}
	for _, r := range reports {
		out[r.Peer] = r
	}
	return out
}

// Stop leaves for good: every route is made the last choice for the DrainTime
// (RFC 8326), then withdrawn, and every session closed with an administrative
// shutdown that says why (RFC 9003). Meanwhile this node must go on forwarding.
// Run returns. The error is that of ctx if it ends first; sessions may then not
// have been closed in order.
func (s *Speaker) Stop(ctx context.Context) error {
	return s.end(farewell{ctx: ctx, drain: s.opts.DrainTime, text: "Steelyard leaves this node"})
}

// Abandon goes away as a dying process would: connections are closed without
// a NOTIFICATION, so that routers with graceful restart keep the routes. Run
// returns.
func (s *Speaker) Abandon() {
	// Without a deadline there is no error.
	_ = s.end(farewell{ctx: context.Background(), quiet: true})
}

func (s *Speaker) end(bye farewell) error {
	select {
	case s.byes <- bye:
	case <-s.done:
		return nil
	case <-bye.ctx.Done():
		return bye.ctx.Err()
	}
	select {
	case <-s.done:
		return nil
	case <-bye.ctx.Done():
		return bye.ctx.Err()
	}
}

// post puts v into a one-slot channel, in place of what is there. There must
// be one poster at a time, or any value of concurrent posters may win.
func post[T any](slot chan T, v T) {
	for {
		select {
		case slot <- v:
			return
		default:
		}
		select {
		case <-slot:
		default:
		}
	}
}
