package nft

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// serve answers on a port, by TCP and UDP, with "name client-address".
func (l *lab) serve(s space, port int) {
	l.t.Helper()
	s.in(l.t, func() error {
		ln, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			return err
		}
		pc, err := net.ListenPacket("udp", fmt.Sprintf(":%d", port))
		if err != nil {
			return err
		}
		l.t.Cleanup(func() { ln.Close(); pc.Close() })
		go serveTCP(s.name, ln)
		go serveUDP(s.name, pc)
		return nil
	})
}

func serveTCP(name string, ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			buf := make([]byte, 512)
			for {
				if _, err := c.Read(buf); err != nil {
					return
				}
				fmt.Fprintf(c, "%s %s\n", name, host(c.RemoteAddr()))
			}
		}()
	}
}

func serveUDP(name string, pc net.PacketConn) {
	buf := make([]byte, 512)
	for {
		_, from, err := pc.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = pc.WriteTo([]byte(name+" "+host(from)+"\n"), from)
	}
}

func host(a net.Addr) string { return netip.MustParseAddrPort(a.String()).Addr().Unmap().String() }

// dial connects from s; local may be "" or an address and port to bind.
func (l *lab) dial(s space, network, local, addr string) (c net.Conn, err error) {
	s.in(l.t, func() error {
		d := net.Dialer{Timeout: l.patience, Control: func(_, _ string, rc syscall.RawConn) error {
			return rc.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) })
		}}
		if local != "" {
			if ap := netip.MustParseAddrPort(local); network == "udp" {
				d.LocalAddr = net.UDPAddrFromAddrPort(ap)
			} else {
				d.LocalAddr = net.TCPAddrFromAddrPort(ap)
			}
		}
		c, err = d.Dial(network, addr)
		return nil
	})
	if err == nil {
		l.t.Cleanup(func() { c.Close() })
	}
	return c, err
}

// ask sends one message and returns the answer, "" on silence.
func ask(c net.Conn) (string, error) {
	_ = c.SetDeadline(time.Now().Add(time.Second))
	if _, err := io.WriteString(c, "?"); err != nil {
		return "", err
	}
	buf := make([]byte, 512)
	n, err := c.Read(buf)
	return strings.TrimSpace(string(buf[:n])), err
}

// get makes one connection and returns its answer: "pod client-address",
// "refused" or "silence".
func (l *lab) get(s space, network, addr string) string {
	l.t.Helper()
	return l.getFrom(s, network, "", addr)
}

// getFrom is get from a local address and port.
func (l *lab) getFrom(s space, network, local, addr string) string {
	l.t.Helper()
	c, err := l.dial(s, network, local, addr)
	if err != nil {
		return outcome(err)
	}
	defer c.Close()
	answer, err := ask(c)
	if err != nil {
		return outcome(err)
	}
	return answer
}

func outcome(err error) string {
	var ne net.Error
	switch {
	case err == nil:
		return "no error"
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EPERM):
		return "refused" // a local sender of UDP is told by EPERM at once
	case errors.Is(err, syscall.ECONNRESET):
		return "reset"
	case errors.As(err, &ne) && ne.Timeout():
		return "silence"
	}
	return err.Error()
}

// expect checks the answer of one connection.
func (l *lab) expect(s space, network, addr, want string) {
	l.t.Helper()
	begin := time.Now()
	got := l.get(s, network, addr)
	if got != want {
		l.t.Errorf("%s → %s %s: got %q, want %q", s.name, network, addr, got, want)
		return
	}
	if took := time.Since(begin); want == "refused" && took > 500*time.Millisecond {
		l.t.Errorf("%s → %s %s: refused after %v only", s.name, network, addr, took)
	}
}
