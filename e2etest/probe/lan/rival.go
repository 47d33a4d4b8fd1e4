package lan

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// Ports of MetalLB's speaker: its metrics, its gossip, and BGP, which its FRR
// mode listens on.
const (
	rivalMetrics = 7472
	rivalGossip  = 7946
	rivalBGP     = 179
)

// Rival is on a host what MetalLB's speaker is: it has its ports, hears ARP and
// neighbour discovery by sockets of its own, and answers for one address by ARP
// with the host's own card.
type Rival struct {
	addr   netip.Addr
	socket *Socket
	held   []func() error // closes what it listens on
	stop   chan struct{}
	ended  sync.WaitGroup
	err    error // valid once ended
}

// StartRival takes the ports and begins to answer for addr. It fails where
// somebody has one of them.
func StartRival(host Host, addr netip.Addr) (*Rival, error) {
	r := &Rival{addr: addr, stop: make(chan struct{})}
	var err error
	if r.socket, err = open(host.Netns, host.Card); err != nil {
		return nil, err
	}
	if err := host.Netns.Do(r.listen); err != nil {
		return nil, errors.Join(fmt.Errorf("ports of MetalLB on %s: %w", host.Netns.Name, err), r.close())
	}
	r.ended.Go(func() { r.err = r.answer() })
	return r, nil
}

// listen takes the ports, and an ICMPv6 socket as for NDP.
func (r *Rival) listen() error {
	for _, port := range []int{rivalMetrics, rivalGossip, rivalBGP} {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{Port: port})
		if err != nil {
			return err
		}
		r.held = append(r.held, l.Close)
	}
	gossip, err := net.ListenUDP("udp", &net.UDPAddr{Port: rivalGossip})
	if err != nil {
		return err
	}
	r.held = append(r.held, gossip.Close)
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMPV6)
	if err != nil {
		return err
	}
	r.held = append(r.held, func() error { return unix.Close(fd) })
	return nil
}

func (r *Rival) answer() error {
	for {
		select {
		case <-r.stop:
			return nil
		default:
		}
		f, _, ok, err := r.socket.hear()
		if err != nil {
			return err
		}
		if !ok || f.Kind != Question || f.Addr != r.addr || slices.Equal(f.From, r.socket.MAC) {
			continue
		}
		if err := r.socket.Send(arp(2, f.From, r.socket.MAC, r.addr, f.From, f.Asker)); err != nil {
			return fmt.Errorf("answer for %v: %w", r.addr, err)
		}
	}
}

// Stop lets go of everything.
func (r *Rival) Stop() error {
	close(r.stop)
	r.ended.Wait()
	return errors.Join(r.err, r.close())
}

func (r *Rival) close() error {
	errs := []error{r.socket.Close()}
	for _, end := range r.held {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}
