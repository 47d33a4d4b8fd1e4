package names

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	askTimeout = 2 * time.Second // for one server
	rounds     = 2               // how often each server is asked
	maxAnswer  = 65535           // bytes, by TCP
)

// serversIn finds the servers in the text of a resolv.conf. Without one it is
// this host, as resolv.conf(5) says.
func serversIn(text string) []netip.AddrPort {
	var out []netip.AddrPort
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" {
			continue
		}
		if addr, err := netip.ParseAddr(f[1]); err == nil {
			out = append(out, netip.AddrPortFrom(addr, 53))
		}
	}
	if len(out) == 0 {
		out = append(out, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 53))
	}
	return out
}

// lookUp finds the addresses of a name, of those types.
func lookUp(ctx context.Context, servers []netip.AddrPort, kinds []dnsmessage.Type, name string) (found, error) {
	full, err := dnsmessage.NewName(strings.TrimSuffix(name, ".") + ".")
	if err == nil {
		_, err = question(0, full, dnsmessage.TypeA)
	}
	if err != nil {
		return found{ttl: maxTTL, fault: "it is no name that DNS knows"}, nil
	}
	out := found{ttl: maxTTL, fault: "this host has no address to reach any from"}
	for _, kind := range kinds {
		f, err := askAll(ctx, servers, full, kind)
		if err != nil {
			return found{}, err
		}
		if out.fault = f.fault; f.fault == "" {
			out.ttl, out.addrs = min(out.ttl, f.ttl), append(out.addrs, f.addrs...)
		}
	}
	if len(out.addrs) == 0 {
		out.ttl = minTTL
		return out, nil
	}
	out.fault = "" // of the other family
	slices.SortFunc(out.addrs, netip.Addr.Compare)
	return out, nil
}

// families are the types of addresses that can be reached from here.
func families() []dnsmessage.Type {
	var v4, v6 bool
	list, _ := net.InterfaceAddrs()
	for _, a := range list {
		p, err := netip.ParsePrefix(a.String())
		if addr := p.Addr(); err == nil && addr.IsGlobalUnicast() {
			v4, v6 = v4 || addr.Is4(), v6 || addr.Is6()
		}
	}
	var out []dnsmessage.Type
	if v4 {
		out = append(out, dnsmessage.TypeA)
	}
	if v6 {
		out = append(out, dnsmessage.TypeAAAA)
	}
	return out
}

// askAll asks one server after the other until one answers.
func askAll(ctx context.Context, servers []netip.AddrPort, name dnsmessage.Name, kind dnsmessage.Type) (found, error) {
	var errs []error
	for range rounds {
		for _, server := range servers {
			f, err := ask(ctx, server, name, kind)
			if err == nil {
				return f, nil
			}
			if ctx.Err() != nil {
				return found{}, ctx.Err()
			}
			errs = append(errs, fmt.Errorf("%v: %w", server.Addr(), err))
		}
	}
	return found{}, errs[len(errs)-1]
}

// ask asks one server, by UDP and if need be by TCP.
func ask(ctx context.Context, server netip.AddrPort, name dnsmessage.Name, kind dnsmessage.Type) (found, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	id := uint16(rand.Uint32())
	query, err := question(id, name, kind)
	if err != nil {
		return found{}, err
	}
	f, again, err := exchange(ctx, "udp", server, query, id, name, kind)
	if err == nil && again {
		f, again, err = exchange(ctx, "tcp", server, query, id, name, kind)
		if again {
			return found{}, errors.New("an answer that is cut off, by TCP")
		}
	}
	return f, err
}

// exchange sends a question and reads the answer.
func exchange(ctx context.Context, network string, server netip.AddrPort, query []byte, id uint16, name dnsmessage.Name, kind dnsmessage.Type) (found, bool, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, server.String())
	if err != nil {
		return found{}, false, plain(err)
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return found{}, false, plain(err)
	}
	through := throughUDP
	if network == "tcp" {
		through = throughTCP
	}
	raw, err := through(conn, query)
	if err != nil {
		return found{}, false, plain(err)
	}
	return read(raw, id, name, kind)
}

// throughUDP passes over datagrams that answer another question, as a forger
// would send them.
func throughUDP(conn net.Conn, query []byte) ([]byte, error) {
	if _, err := conn.Write(query); err != nil {
		return nil, err
	}
	raw := make([]byte, maxAnswer)
	for {
		n, err := conn.Read(raw)
		if err != nil {
			return nil, err
		}
		if n > 2 && bytes.Equal(raw[:2], query[:2]) {
			return raw[:n], nil
		}
	}
}

// throughTCP sends and reads messages with their length before them (RFC 1035
// section 4.2.2).
func throughTCP(conn net.Conn, query []byte) ([]byte, error) {
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)); err != nil {
		return nil, err
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	raw := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(conn, raw)
	return raw, err
}

// plain is an error without what differs each time, such as our own port.
func plain(err error) error {
	var number syscall.Errno
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return errors.New("no answer in time")
	case errors.As(err, &number):
		return number
	}
	return err
}
