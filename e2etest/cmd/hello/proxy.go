package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// serveProxied serves clients whose connections begin with a header of the PROXY
// protocol, version 1 or 2; others are hung up on. Who the header names is the
// client. The reader here is one of its own, so that what reads it elsewhere is
// held against another.
func serveProxied(server *http.Server, addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("PROXY protocol: %w", err)
	}
	return server.Serve(proxied{l})
}

type proxied struct{ net.Listener }

func (l proxied) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &proxiedConn{Conn: conn, in: bufio.NewReader(conn)}, nil
}

// proxiedConn reads the header when somebody first wants to know.
type proxiedConn struct {
	net.Conn
	in     *bufio.Reader
	once   sync.Once
	client net.Addr
	err    error
}

func (c *proxiedConn) header() {
	c.once.Do(func() {
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		var client netip.AddrPort
		if client, c.err = readHeader(c.in); c.err != nil {
			fmt.Println("hung up on", c.Conn.RemoteAddr(), "because:", c.err)
			_ = c.Conn.Close()
			return
		}
		_ = c.SetReadDeadline(time.Time{})
		c.client = net.TCPAddrFromAddrPort(client)
	})
}

func (c *proxiedConn) RemoteAddr() net.Addr {
	if c.header(); c.err != nil {
		return c.Conn.RemoteAddr()
	}
	return c.client
}

func (c *proxiedConn) Read(b []byte) (int, error) {
	if c.header(); c.err != nil {
		return 0, c.err
	}
	return c.in.Read(b)
}

// readHeader reads a header and returns the client.
func readHeader(in *bufio.Reader) (netip.AddrPort, error) {
	first, err := in.Peek(12)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if bytes.Equal(first, []byte("\r\n\r\n\x00\r\nQUIT\n")) {
		return readV2(in)
	}
	line, err := in.ReadString('\n')
	if err != nil {
		return netip.AddrPort{}, err
	}
	var family, src, dst string
	var from, to uint16
	if _, err := fmt.Sscanf(line, "PROXY %s %s %s %d %d\r\n", &family, &src, &dst, &from, &to); err != nil || !strings.HasSuffix(line, "\r\n") {
		return netip.AddrPort{}, fmt.Errorf("%q is no header", line)
	}
	addr, err := netip.ParseAddr(src)
	if err != nil || addr.Is4() != (family == "TCP4") {
		return netip.AddrPort{}, fmt.Errorf("%q is no header", line)
	}
	return netip.AddrPortFrom(addr, from), nil
}

func readV2(in *bufio.Reader) (netip.AddrPort, error) {
	fixed, err := in.Peek(16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	size, kind := 16+int(binary.BigEndian.Uint16(fixed[14:])), [2]byte{fixed[12], fixed[13]}
	all, err := in.Peek(size)
	if err != nil {
		return netip.AddrPort{}, err
	}
	n := map[[2]byte]int{{0x21, 0x11}: 4, {0x21, 0x21}: 16}[kind]
	if n == 0 || size < 16+2*n+4 {
		return netip.AddrPort{}, fmt.Errorf("%x is no header with a client over TCP", all)
	}
	addr, _ := netip.AddrFromSlice(all[16 : 16+n])
	client := netip.AddrPortFrom(addr, binary.BigEndian.Uint16(all[16+2*n:]))
	_, err = in.Discard(size)
	return client, err
}
