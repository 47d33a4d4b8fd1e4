package bgp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// bind binds a socket to the VRF before it has an address, as the Control of
// package net's dialers and listeners.
func (d device) bind(_, _ string, c syscall.RawConn) error {
	if d.name == "" {
		return nil
	}
	var failed error
	err := c.Control(func(fd uintptr) { failed = unix.BindToDevice(int(fd), d.name) })
	if err == nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("bind to VRF %s: %w", d.name, err)
	}
	return nil
}

// has tells whether addr is an address of this node in the VRF.
func (d device) has(addr netip.Addr) bool {
	if !addr.IsValid() {
		return false
	}
	conn, err := (&net.ListenConfig{Control: d.bind}).ListenPacket(context.Background(), "udp", netip.AddrPortFrom(addr, 0).String())
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
