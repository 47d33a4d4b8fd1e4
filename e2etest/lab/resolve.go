package lab

import (
	"net"
	"net/netip"
	"time"
)

// Resolve names the host that a client believes to have an address: what its
// ARP or NDP table says, or, where that says nothing, who answers when it asks;
// "" when nobody does within half a second.
func (l *Lab) Resolve(from string, addr netip.Addr) (string, error) {
	h, err := l.Host(from)
	if err != nil {
		return "", err
	}
	if name, err := l.Neighbour(from, addr); name != "" || err != nil {
		return name, err
	}
	// A datagram to the discard port makes the kernel ask; whether it arrives
	// anywhere does not matter.
	err = h.Netns.Do(func() error {
		conn, err := net.Dial("udp", netip.AddrPortFrom(addr, 9).String())
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write([]byte{0})
		return err
	})
	if err != nil {
		return "", err
	}
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if name, err := l.Neighbour(from, addr); name != "" || err != nil {
			return name, err
		}
	}
	return "", nil
}

// ResolveAfresh is Resolve after the client has forgotten what it knew.
func (l *Lab) ResolveAfresh(from string, addr netip.Addr) (string, error) {
	h, err := l.Host(from)
	if err != nil {
		return "", err
	}
	if err := h.Netns.ForgetNeighbour(addr); err != nil {
		return "", err
	}
	return l.Resolve(from, addr)
}
