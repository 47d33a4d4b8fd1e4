package layer2

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/go-kit/log/level"
	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	etherARP  = 0x0806
	etherIPv6 = 0x86dd
	// receiveBuffer takes bursts, in bytes; the default drops at 10,000/s.
	receiveBuffer = 1 << 20
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

// socket is a packet socket with the addresses that its filter lets through.
type socket struct {
	conn  *packet.Conn
	proto string
	addrs []netip.Addr
	done  chan struct{}
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
	conn, err := listen(p.key, ether, prog)
	if err != nil {
		return false, fmt.Errorf("open %s socket on %s: %w", proto, p.key.name, err)
	}
	*s = &socket{conn: conn, proto: proto, addrs: addrs, done: make(chan struct{})}
	reader := *s
	p.readers.Go(func() { p.read(reader) })
	return true, nil
}

func listen(key linkKey, ether int, prog []bpf.RawInstruction) (*packet.Conn, error) {
	ifi := &net.Interface{Name: key.name, Index: key.index, HardwareAddr: key.mac[:]}
	conn, err := packet.Listen(ifi, packet.Raw, ether, &packet.Config{Filter: prog})
	if err != nil {
		return nil, err
	}
	if raw, err := conn.SyscallConn(); err == nil {
		// A larger buffer is welcome, not needed: failure is no fault.
		_ = raw.Control(func(fd uintptr) {
			if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
				_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
			}
		})
	}
	return conn, nil
}

func (s *socket) close() {
	close(s.done)
	s.conn.Close()
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
	buf := make([]byte, frameSize)
	for {
		n, _, err := s.conn.ReadFrom(buf)
		if err == nil {
			p.handle(s, buf[:n])
			continue
		}
		select {
		case <-s.done:
			return
		case <-time.After(errorPause):
			p.r.metrics.errors.WithLabelValues("receive").Inc()
			level.Debug(p.r.log).Log("msg", "receive failed", "link", p.key.name, "err", err)
		}
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

func (s *socket) send(a answer) error {
	_, err := s.conn.WriteTo(a.frame, &packet.Addr{HardwareAddr: a.to})
	return err
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

// ask asks whether anybody on the link has addr.
func (p *port) ask(addr netip.Addr) error {
	s := p.socket(addr)
	if s == nil {
		return nil
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
