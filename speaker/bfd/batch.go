package bfd

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batchSize = 32
	mtu       = 256 // a control packet has at most 255 bytes
	oobSize   = 128
)

// datagram is a packet and how it came. data is good until the next batch.
type datagram struct {
	data     []byte
	from, to netip.Addr // without zones
	ifindex  int
	ttl      int // 0 if the kernel did not say
}

// message is struct mmsghdr.
type message struct {
	head unix.Msghdr
	size uint32
}

// batch reads many packets by one system call.
type batch struct {
	messages [batchSize]message
	vectors  [batchSize]unix.Iovec
	names    [batchSize]unix.RawSockaddrInet6 // an IPv4 one fits in
	oob      [batchSize][oobSize]byte
	data     [batchSize][mtu]byte
}

// receive reads what waits at fd, no more than a batch. Errors of the network
// come here too; each is told once, and says nothing about the next packet.
func (b *batch) receive(fd int) (int, error) {
	for i := range b.messages {
		b.vectors[i].Base = &b.data[i][0]
		b.vectors[i].SetLen(mtu)
		h := &b.messages[i].head
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&b.names[i])), unix.SizeofSockaddrInet6
		h.Iov, h.Control = &b.vectors[i], &b.oob[i][0]
		h.SetIovlen(1)
		h.SetControllen(oobSize)
	}
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.messages[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// at is the i-th packet of the last batch.
func (b *batch) at(i int) datagram {
	m := &b.messages[i]
	d := datagram{data: b.data[i][:min(int(m.size), mtu)]}
	if b.names[i].Family == unix.AF_INET {
		d.from = netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(&b.names[i])).Addr)
	} else {
		d.from = netip.AddrFrom16(b.names[i].Addr)
	}
	for rest := b.oob[i][:min(int(m.head.Controllen), oobSize)]; len(rest) >= unix.SizeofCmsghdr; {
		head, data, after, err := unix.ParseOneSocketControlMessage(rest)
		if err != nil {
			break
		}
		d.note(head, data)
		rest = after
	}
	return d
}

// note takes what a control message says of the packet.
func (d *datagram) note(head unix.Cmsghdr, data []byte) {
	const v4, v6 = unix.IPPROTO_IP, unix.IPPROTO_IPV6
	number := func(at int) int { return int(int32(binary.NativeEndian.Uint32(data[at:]))) }
	switch {
	case head.Level == v4 && head.Type == unix.IP_TTL && len(data) >= 4,
		head.Level == v6 && head.Type == unix.IPV6_HOPLIMIT && len(data) >= 4:
		d.ttl = number(0)
	case head.Level == v4 && head.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
		d.ifindex, d.to = number(0), netip.AddrFrom4([4]byte(data[8:12]))
	case head.Level == v6 && head.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
		d.ifindex, d.to = number(16), netip.AddrFrom16([16]byte(data[:16]))
	}
}
