package layer2

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/go-kit/log/level"
	"golang.org/x/net/bpf"

	"github.com/steelyard-lb/steelyard/config/thread"
)

const (
	etherARP  = 0x0806
	etherIPv6 = 0x86dd
	// frameSize is enough for what passes the filters, in bytes.
	frameSize = 2048
	// errorPause keeps a socket that fails at once from spinning.
	errorPause = 50 * time.Millisecond
)

// port is one link with its sockets. All methods but the readers belong to
// the goroutine of Run.
type port struct {
	r        *Responder
	key      linkKey
	arp, ndp *socket // nil while no address needs them
	groups   groups
	readers  sync.WaitGroup
}

// set opens, refits or closes the sockets of p. fresh tells that a socket was
// opened, so that neighbours may not have heard of any address yet.
func (p *port) set(v4, v6 []netip.Addr) (fresh bool, err error) {
	fresh4, err4 := p.fit(&p.arp, protoARP, etherARP, v4, matchARP)
	fresh6, err6 := p.fit(&p.ndp, protoNDP, etherIPv6, v6, matchNDP)
	return fresh4 || fresh6, errors.Join(err4, err6, p.groups.set(p.key.index, v6))
}

func (p *port) fit(s **socket, proto string, ether int, addrs []netip.Addr, match func([]netip.Addr) []bpf.Instruction) (bool, error) {
	if len(addrs) == 0 {
		if *s != nil {
			(*s).close()
			*s = nil
		}
		return false, nil
	}
	if *s != nil && slices.Equal((*s).addrs, addrs) {
		return false, nil
	}
	prog, err := assemble(match(addrs))
	if err != nil {
		return false, err
	}
	if *s != nil {
		if err := (*s).conn.SetBPF(prog); err != nil {
			return false, fmt.Errorf("set %s filter on %s: %w", proto, p.key.name, err)
		}
		(*s).addrs = addrs
		return false, nil
	}
	opened, err := newSocket(p.key, proto, ether, addrs, prog)
	if err != nil {
		return false, fmt.Errorf("open %s socket on %s: %w", proto, p.key.name, err)
	}
	*s = opened
	p.readers.Go(func() { p.read(opened) })
	return true, nil
}

func (p *port) close() {
	for _, s := range []*socket{p.arp, p.ndp} {
		if s != nil {
			s.close()
		}
	}
	p.arp, p.ndp = nil, nil
	p.groups.close()
	p.readers.Wait()
}

// read answers frames until the socket is closed. An error of the socket does
// not end it: a link that goes down gives one and works again when it is up.
func (p *port) read(s *socket) {
	thread.Urgent() // it ends with the goroutine
	defer s.done()
	buf := make([]byte, frameSize)
	for {
		n, err := s.receive(buf)
		switch {
		case errors.Is(err, os.ErrClosed):
			return
		case err != nil:
			p.r.metrics.errors.WithLabelValues("receive").Inc()
			level.Debug(p.r.log).Log("msg", "receive failed", "link", p.key.name, "err", err)
			time.Sleep(errorPause)
			continue
		}
		p.handle(s, buf[:n])
	}
}

func (p *port) handle(s *socket, frame []byte) {
	m := p.r.metrics.of(s.proto)
	m.requests.Inc()
	why := p.respond(s, frame)
	if why == "" {
		m.replies.Inc()
		return
	}
	m.drops[why].Inc()
	if why == dropMalformed && p.r.odd.CompareAndSwap(false, true) {
		level.Info(p.r.log).Log("msg", "malformed frame; from now on they are only counted", "link", p.key.name,
			"proto", s.proto, "frame", fmt.Sprintf("%.96x", frame))
	}
}

// respond answers frame, or says why not.
func (p *port) respond(s *socket, frame []byte) drop {
	read := readARP
	if s.proto == protoNDP {
		read = readNDP
	}
	q, why := read(frame, p.key.mac)
	if why != "" {
		return why
	}
	at := site{p.key, *p.r.claims.Load(), *p.r.probed.Load(), p.r.company.Load()}
	a, addr, why := at.answer(q)
	if why == dropConflict {
		p.r.contest(s.proto, addr, p.key, q.from)
	}
	if why != "" {
		return why
	}
	if !p.r.beats.fresh(p.r.now()) {
		return dropSilent
	}
	if err := s.send(a); err != nil {
		level.Debug(p.r.log).Log("msg", "reply failed", "link", p.key.name, "err", err)
		return dropSendFailed
	}
	return ""
}

// socket is the socket for the family of addr. It is nil if it could not be
// opened; when it is, everything is announced anew.
func (p *port) socket(addr netip.Addr) *socket {
	if addr.Is4() {
		return p.arp
	}
	return p.ndp
}

// announce tells the neighbours on the link that addr is here; again, in the
// one form that all know by then.
func (p *port) announce(addr netip.Addr, again bool) error {
	s := p.socket(addr)
	if s == nil {
		return nil
	}
	frames, err := announcement(p.key.mac, addr)
	if err != nil {
		return err
	}
	if again {
		frames = frames[:1]
	}
	for _, f := range frames {
		if err := s.send(f); err != nil {
			return fmt.Errorf("announce %v on %s: %w", addr, p.key.name, err)
		}
	}
	p.r.metrics.announcements.WithLabelValues(s.proto).Inc()
	return nil
}

// errNoSocket is the error of a link whose socket could not be opened.
var errNoSocket = errors.New("no socket is open")

// ask asks whether anybody on the link has addr.
func (p *port) ask(addr netip.Addr) error {
	s := p.socket(addr)
	if s == nil {
		return fmt.Errorf("probe for %v on %s: %w", addr, p.key.name, errNoSocket)
	}
	f, err := probeFor(p.key.mac, addr)
	if err != nil {
		return err
	}
	if err := s.send(f); err != nil {
		return fmt.Errorf("probe for %v on %s: %w", addr, p.key.name, err)
	}
	p.r.metrics.probes.WithLabelValues(s.proto).Inc()
	return nil
}
