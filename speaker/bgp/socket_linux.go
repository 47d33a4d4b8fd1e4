package bgp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// multihopTTL is the TTL towards a peer that may be several hops away.
const multihopTTL = 255

// dial connects to the router, for as long as timeout.
func (s settings) dial(ctx context.Context, timeout time.Duration) (*net.TCPConn, error) {
	addr, err := byNumber(s.peer.addr)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: timeout, Control: s.control}
	if s.peer.source.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(s.peer.source, 0))
	}
	conn, err := dialer.DialContext(ctx, network(addr), netip.AddrPortFrom(addr, s.peer.port).String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// listen waits for the router. A key for a connection that is not there yet is no
// business of Multipath TCP's.
func (s settings) listen() (*net.TCPListener, error) {
	config := net.ListenConfig{Control: s.control}
	config.SetMultipathTCP(false)
	at := s.server.listen
	l, err := config.Listen(context.Background(), network(at.Addr()), at.String())
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("wait for the router at %s: another program listens there; set peerPort or sourceAddress: %w", at, err)
	}
	if err != nil {
		return nil, fmt.Errorf("wait for the router at %s: %w", at, err)
	}
	return l.(*net.TCPListener), nil
}

func network(addr netip.Addr) string {
	if addr.Is4() {
		return "tcp4"
	}
	return "tcp6"
}

// control prepares a socket to or for the router before it has an address: the VRF
// to be in, the password (RFC 2385), and how far away the router may be.
func (s settings) control(network, address string, c syscall.RawConn) error {
	if err := s.server.vrf.bind(network, address, c); err != nil {
		return err
	}
	if s.peer.password != "" {
		key, err := md5Key(s.peer.addr, s.peer.password)
		if err != nil {
			return err
		}
		if err := configure(c, func(fd int) error { return unix.SetsockoptTCPMD5Sig(fd, unix.IPPROTO_TCP, unix.TCP_MD5SIG, key) }); err != nil {
			return fmt.Errorf("set password: %w", err)
		}
	}
	return s.reach(c)
}

// tune has a socket that is there already follow the settings.
func (s settings) tune(socket syscall.Conn) error {
	raw, err := socket.SyscallConn()
	if err != nil {
		return fmt.Errorf("set TTL: %w", err)
	}
	return s.reach(raw)
}

// lives tells whether the other side has not ended a connection.
func lives(conn *net.TCPConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	var info *unix.TCPInfo
	err = configure(raw, func(fd int) (err error) {
		info, err = unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		return err
	})
	return err == nil && info.State == unix.BPF_TCP_ESTABLISHED
}

// reach sets with what TTL packets leave, and what those that come must have left
// (RFC 5082).
func (s settings) reach(c syscall.RawConn) error {
	level, ttl, least := unix.IPPROTO_IP, unix.IP_TTL, unix.IP_MINTTL
	if s.peer.addr.Is6() {
		level, ttl, least = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, unix.IPV6_MINHOPCOUNT
	}
	send, min := s.ttl()
	err := configure(c, func(fd int) error {
		return errors.Join(unix.SetsockoptInt(fd, level, ttl, send), unix.SetsockoptInt(fd, level, least, min))
	})
	if err != nil {
		return fmt.Errorf("set TTL: %w", err)
	}
	return nil
}

// kernelTTL lets the kernel choose.
const kernelTTL = -1

// ttl is what packets leave with, and the least that those that come must have: 0 for
// any. A router of another AS is next door unless it is said not to be.
func (s settings) ttl() (send, least int) {
	switch {
	case s.soft.hops > 0:
		return multihopTTL, 256 - int(s.soft.hops)
	case s.soft.multihop, s.peer.dynamic != "": // as far away as before its AS was known
		return multihopTTL, 0
	case s.peer.asn != s.server.asn:
		return 1, 0
	}
	return kernelTTL, 0
}

func configure(c syscall.RawConn, set func(fd int) error) error {
	var failed error
	if err := c.Control(func(fd uintptr) { failed = set(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// md5Key makes the kernel sign what goes to addr, and want what comes from it signed.
func md5Key(addr netip.Addr, password string) (*unix.TCPMD5Sig, error) {
	key := &unix.TCPMD5Sig{}
	if len(password) > len(key.Key) {
		return nil, fmt.Errorf("the password has %d bytes; TCP MD5 takes %d (RFC 2385)", len(password), len(key.Key))
	}
	key.Keylen = uint16(copy(key.Key[:], password))
	key.Addr.Family = unix.AF_INET
	raw := make([]byte, 2, 22) // struct sockaddr_in after its family: the port, which does not count, and the address
	if addr.Is6() {            // struct sockaddr_in6 has the flow label between
		key.Addr.Family = unix.AF_INET6
		raw = binary.BigEndian.AppendUint32(raw, 0)
	}
	copy(key.Addr.Data[:], append(raw, addr.AsSlice()...))
	return key, nil
}
