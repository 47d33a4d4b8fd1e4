package discovery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/mdlayher/ndp"
	"golang.org/x/net/ipv6"
)

// reopenAfter is the pause after a socket that failed. A link-local address
// cannot be used while it is checked for a duplicate, which takes one second or
// two (RFC 4862, 5.4).
const reopenAfter = time.Second

// largest is the size of the largest message that is read, in bytes: those of
// jumbo frames.
const largest = 9216

// port looks for the router of one link.
type port struct {
	link   link
	logger log.Logger
	note   func(Finding)
	cancel context.CancelFunc
	done   chan struct{}
}

// stop ends the port and waits for that: nothing is noted by it afterwards.
func (p *port) stop() {
	p.cancel()
	<-p.done
}

// run looks until ctx ends.
func (p *port) run(ctx context.Context) {
	defer close(p.done)
	start := time.Now()
	w := newWatch(0)
	for {
		err := p.session(ctx, &w, start)
		if ctx.Err() != nil {
			return
		}
		w.again(time.Since(start))
		level.Debug(p.logger).Log("msg", "looking for the router failed, starting again", "err", err)
		if !w.router.IsValid() && time.Since(start) >= answerTime {
			p.note(Finding{Why: fmt.Sprintf("cannot look for the router on interface %s: %v", p.link.name, err)})
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(reopenAfter):
		}
	}
}

// message is what a port heeds of what it hears.
type message struct {
	from      netip.Addr
	solicited bool // a Router Solicitation; else a Router Advertisement
}

// session lives as long as its socket.
func (p *port) session(ctx context.Context, w *watch, start time.Time) error {
	conn, err := p.listen()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	messages, failed, ended := make(chan message), make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		failed <- read(ctx, conn, p.link.name, messages)
	}()
	defer func() {
		cancel()
		conn.Close()
		<-ended
	}()
	patience := time.After(answerTime - time.Since(start))
	for {
		ask, tell, news := w.due(time.Since(start), rand.Float64())
		if news {
			p.note(Finding{Router: w.router})
		}
		if err := p.send(conn, ask, tell); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case m := <-messages:
			switch {
			case m.solicited:
				w.asked(time.Since(start))
			case w.heard(m.from, time.Since(start)):
				p.note(Finding{Router: w.router})
			}
		case <-patience:
			if !w.router.IsValid() {
				p.note(Finding{Why: silence(p.link.name)})
			}
		case <-time.After(w.wait(time.Since(start))):
		}
	}
}

// listen opens a socket on the link that hears of routers and of those who look
// for them.
func (p *port) listen() (*ndp.Conn, error) {
	// By its number: the net package remembers names for a minute, and would look
	// for an interface that has been renewed.
	ifi := &net.Interface{Name: strconv.Itoa(p.link.index), Index: p.link.index, MTU: largest}
	conn, _, err := ndp.Listen(ifi, ndp.Addr(p.link.addr.String()))
	if err != nil {
		return nil, fmt.Errorf("open a socket at %v: %w", p.link.addr, err)
	}
	var filter ipv6.ICMPFilter
	filter.SetAll(true)
	filter.Accept(ipv6.ICMPTypeRouterSolicitation)
	filter.Accept(ipv6.ICMPTypeRouterAdvertisement)
	err = errors.Join(conn.SetICMPFilter(&filter), conn.SetControlMessage(ipv6.FlagHopLimit|ipv6.FlagInterface, true), conn.JoinGroup(netip.IPv6LinkLocalAllRouters()))
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("set up the socket at %v: %w", p.link.addr, err)
	}
	return conn, nil
}

// read hands on what is valid (RFC 4861, 6.1) until the socket fails; name is that
// of the interface.
func read(ctx context.Context, conn *ndp.Conn, name string, messages chan<- message) error {
	for {
		m, meta, from, err := conn.ReadFrom()
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		if meta == nil || meta.HopLimit != ndp.HopLimit {
			continue // it has come over a router
		}
		heard := message{from: from.WithZone(name)}
		switch m := m.(type) {
		case *ndp.RouterSolicitation:
			heard.solicited = true
		case *ndp.RouterAdvertisement:
			if !from.IsLinkLocalUnicast() || bySpeaker(m.Options) {
				continue
			}
		default:
			continue
		}
		select {
		case messages <- heard:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// mark is in the advertisements of speakers, so that those of several nodes on a
// link do not take each other for the router. It is an option for experiments
// (RFC 4727, 5.1.3), and everybody passes over options that he does not know
// (RFC 4861, 4.6).
var mark = ndp.RawOption{Type: 253, Length: 1, Value: []byte("stylrd")}

// bySpeaker tells whether an advertisement with these options is a speaker's.
func bySpeaker(options []ndp.Option) bool {
	return slices.ContainsFunc(options, func(o ndp.Option) bool {
		raw, ok := o.(*ndp.RawOption)
		return ok && raw.Type == mark.Type && bytes.Equal(raw.Value, mark.Value)
	})
}

// send sends what is due. The advertisement says nothing but that this node is
// here: no lifetime, no prefixes, and no values for hosts to take on.
func (p *port) send(conn *ndp.Conn, ask, tell bool) error {
	var station []ndp.Option // none on links without such addresses
	if len(p.link.mac) == 6 {
		station = []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Source, Addr: net.HardwareAddr(p.link.mac)}}
	}
	if ask {
		if err := conn.WriteTo(&ndp.RouterSolicitation{Options: station}, nil, netip.IPv6LinkLocalAllRouters()); err != nil {
			return fmt.Errorf("send a solicitation: %w", err)
		}
	}
	if tell {
		if err := conn.WriteTo(&ndp.RouterAdvertisement{Options: append(station, &mark)}, nil, netip.IPv6LinkLocalAllNodes()); err != nil {
			return fmt.Errorf("send an advertisement: %w", err)
		}
	}
	return nil
}
