package healthport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/feed"
	"github.com/steelyard-lb/steelyard/l4proxy"
)

// KubeProxyPort is where kube-proxy says that it lives.
const KubeProxyPort = 10256

const (
	lookEvery = 5 * time.Second  // for ports that were taken, and for a kube-proxy
	absence   = 30 * time.Second // of a kube-proxy that was here, before it counts as gone
)

// What a client may take its time for. The answers are short.
const (
	readLimit  = 10 * time.Second
	idleLimit  = time.Minute
	headerSize = 4 << 10
)

// events takes events for users to see.
type events interface {
	Event(ref config.Ref, uid string, warning bool, reason, message string)
}

// Options are what a server works with.
type Options struct {
	Node      string
	Events    events
	ProxyPort uint16 // of kube-proxy's health endpoint; 0: KubeProxyPort
}

// Server answers on the ports it is told. Make it with [New].
type Server struct {
	Options
	log   log.Logger
	state atomic.Pointer[state]
	news  *feed.Latest[struct{}]

	// Of Run's goroutine.
	open   map[l4proxy.HealthPort]*http.Server
	others map[l4proxy.HealthPort]bool // told of: somebody else answers
	left   bool                        // told of: all is left to kube-proxy
	seen   time.Time                   // a kube-proxy; zero: never

	mu    sync.Mutex // guards the rest
	taken map[l4proxy.HealthPort]config.Problem
}

// New makes a server. It listens on nothing before Run and Apply.
func New(logger log.Logger, o Options) *Server {
	if o.ProxyPort == 0 {
		o.ProxyPort = KubeProxyPort
	}
	s := &Server{Options: o, log: logger, news: feed.NewLatest[struct{}](nil),
		open: map[l4proxy.HealthPort]*http.Server{}, others: map[l4proxy.HealthPort]bool{},
		taken: map[l4proxy.HealthPort]config.Problem{}}
	s.state.Store(&state{})
	return s
}

// Apply makes ports those that are answered on, with the number of endpoints
// that this node has for each; healthy tells whether it forwards. It does not
// block: answers are the new ones at once, ports follow.
func (s *Server) Apply(ports config.Table[l4proxy.HealthPort, int], healthy bool) {
	old := s.state.Swap(&state{ports, healthy})
	if !config.Same(old.ports, ports) {
		s.news.Put(struct{}{})
	}
}

// Problems are the ports that other processes of this node have. Anyone may
// call it at any time.
func (s *Server) Problems() []config.Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.taken), func(a, b config.Problem) int {
		return cmp.Or(a.Object.Key.Compare(b.Object.Key), strings.Compare(a.Message, b.Message))
	})
}

// Run listens until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	defer s.closeAll()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		s.reconcile(ctx, time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-s.news.C():
		case <-ticker.C:
		}
	}
}

// reconcile makes the open ports those that are wanted.
func (s *Server) reconcile(ctx context.Context, now time.Time) {
	want := s.state.Load().ports
	for port, server := range s.open {
		if _, ok := want.Get(port); !ok {
			_ = server.Close() // the connections end with it
			delete(s.open, port)
		}
	}
	s.forget(want)
	if len(s.open) == want.Len() || s.leaves(ctx, now) {
		return
	}
	for port := range want.All() {
		if s.open[port] == nil && ctx.Err() == nil {
			s.listen(ctx, port)
		}
	}
}

// leaves tells whether ports that are not open are left to a kube-proxy. One
// that lives may be slower to take a port and would complain for ever that it
// is taken, and one that restarts is back in a moment. What is open stays open:
// the answers are the same, and nobody's health check fails.
func (s *Server) leaves(ctx context.Context, now time.Time) bool {
	if proxyLives(ctx, s.ProxyPort) {
		s.seen = now
	}
	leave := !s.seen.IsZero() && now.Sub(s.seen) < absence
	if leave != s.left {
		text := "health check node ports are left to the kube-proxy of this node"
		if !leave {
			text = "answering on health check node ports: the kube-proxy of this node is gone"
		}
		level.Info(s.log).Log("msg", text)
	}
	s.left = leave
	return leave
}

// forget drops what is known of ports that are not wanted any more.
func (s *Server) forget(want config.Table[l4proxy.HealthPort, int]) {
	gone := func(p l4proxy.HealthPort) bool {
		_, ok := want.Get(p)
		return !ok
	}
	maps.DeleteFunc(s.others, func(p l4proxy.HealthPort, _ bool) bool { return gone(p) })
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.taken, func(p l4proxy.HealthPort, _ config.Problem) bool { return gone(p) })
}

// listen opens a port, or finds out who has it.
func (s *Server) listen(ctx context.Context, port l4proxy.HealthPort) {
	network, host := "tcp4", "0.0.0.0"
	if port.Family == config.IPv6 {
		network, host = "tcp6", "::"
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, network, net.JoinHostPort(host, fmt.Sprint(port.Port)))
	switch {
	case err == nil:
		s.serve(ln, port)
	case errors.Is(err, syscall.EADDRINUSE) && served(ctx, port):
		s.settle(port)
		if !s.others[port] {
			s.others[port] = true
			level.Info(s.log).Log("msg", "another process answers on this health check node port", "svc", port.Service, "port", port.Port)
		}
	default:
		s.complain(port, err)
	}
}

func (s *Server) serve(ln net.Listener, port l4proxy.HealthPort) {
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			s.state.Load().answer(port).write(w)
		}),
		ReadTimeout: readLimit, WriteTimeout: readLimit, IdleTimeout: idleLimit, MaxHeaderBytes: headerSize,
	}
	s.open[port] = server
	s.settle(port)
	delete(s.others, port)
	go func() { _ = server.Serve(ln) }() // ends when the server is closed
}

// complain tells the Service's owner, once for each fault.
func (s *Server) complain(port l4proxy.HealthPort, err error) {
	p := config.Problem{
		Object: config.Ref{Kind: config.KindService, Key: port.Service}, Field: "spec.healthCheckNodePort", Reason: "FailedToStartServiceHealthcheck",
		Message: fmt.Sprintf("node %s cannot listen on port %d (%v): %v", s.Node, port.Port, port.Family, err),
		Remedy:  fmt.Sprintf("end the process that has the port (ss -ltnp 'sport = :%d' on the node), or create the Service again with another port", port.Port),
	}
	s.mu.Lock()
	old := s.taken[port]
	s.taken[port] = p
	s.mu.Unlock()
	if old == p {
		return
	}
	level.Warn(s.log).Log("msg", "health check node port not served, trying again", "svc", port.Service, "port", port.Port, "err", err)
	if s.Events != nil {
		s.Events.Event(p.Object, "", true, p.Reason, p.String())
	}
}

// settle ends a fault, if there was one.
func (s *Server) settle(port l4proxy.HealthPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.taken, port)
}

func (s *Server) closeAll() {
	for _, server := range s.open {
		_ = server.Close()
	}
}
