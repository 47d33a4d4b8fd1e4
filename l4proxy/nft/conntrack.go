package nft

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config"
)

// ctaMarkMask is an attribute that the netlink package does not name
// (linux/netfilter/nfnetlink_conntrack.h).
const ctaMarkMask = 21

// conntrack is a socket to the kernel's connection table, opened when needed and
// thrown away after an error. To close one takes the kernel up to 20 ms.
type conntrack struct {
	netns  int
	handle *nl.SocketHandle
}

func (c *conntrack) open() error {
	if c.handle != nil {
		return nil
	}
	in := netns.None()
	if c.netns != 0 {
		in = netns.NsHandle(c.netns)
	}
	s, err := nl.GetNetlinkSocketAt(in, netns.None(), unix.NETLINK_NETFILTER)
	if err != nil {
		return fmt.Errorf("open conntrack netlink: %w", err)
	}
	c.handle = &nl.SocketHandle{Socket: s}
	return nil
}

func (c *conntrack) close() {
	if c.handle != nil {
		c.handle.Close()
		c.handle = nil
	}
}

func (c *conntrack) request(operation, flags int, family uint8) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_CTNETLINK<<8|operation, flags)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_NETFILTER: c.handle}
	req.AddData(&nl.Nfgenmsg{NfgenFamily: family, Version: nl.NFNETLINK_V0})
	return req
}

// dump hands all entries with that mark to visit, in one walk over the table of
// both families: the walk itself is what costs, 11 ms with 262,144 buckets. A
// mask of 0 selects every entry.
//
// There are filters by address as well (CTA_FILTER), but kernels up to 6.18 at
// least compare IPv6 addresses the wrong way round, and each needs a walk.
func (c *conntrack) dump(mark, mask uint32, visit func(entry)) error {
	req := c.request(nl.IPCTNL_MSG_CT_GET, unix.NLM_F_DUMP, unix.AF_UNSPEC)
	if mask != 0 {
		req.AddData(nl.NewRtAttr(nl.CTA_MARK, nl.BEUint32Attr(mark)))
		req.AddData(nl.NewRtAttr(ctaMarkMask, nl.BEUint32Attr(mask)))
	}
	err := req.ExecuteIter(unix.NETLINK_NETFILTER, 0, func(msg []byte) bool {
		if e, ok := parseEntry(msg); ok {
			visit(e)
		}
		return true
	})
	if err != nil && !errors.Is(err, unix.EINTR) { // EINTR: the table changed meanwhile
		return fmt.Errorf("dump conntrack: %w", err)
	}
	return nil
}

// delete removes entries; one that is gone already is no error.
func (c *conntrack) delete(entries []entry) (int, error) {
	n := 0
	for _, e := range entries {
		req := c.request(nl.IPCTNL_MSG_CT_DELETE, unix.NLM_F_ACK, e.family)
		req.AddRawData(e.identity)
		switch _, err := req.Execute(unix.NETLINK_NETFILTER, 0); {
		case err == nil:
			n++
		case !errors.Is(err, unix.ENOENT):
			return n, fmt.Errorf("delete conntrack entry of %s: %w", e.origDst, err)
		}
	}
	return n, nil
}

// entry is what we need of a connection table entry.
type entry struct {
	family            uint8 // AF_INET or AF_INET6
	proto             config.Proto
	origDst, replySrc netip.AddrPort
	identity          []byte // attributes that name the entry in a deletion
}

func (e entry) clone() entry {
	e.identity = slices.Clone(e.identity)
	return e
}

// parseEntry reads a dumped message, Nfgenmsg first.
func parseEntry(msg []byte) (entry, bool) {
	if len(msg) < nl.SizeofNfgenmsg {
		return entry{}, false
	}
	e := entry{family: msg[0]}
	attributes(msg[nl.SizeofNfgenmsg:], func(kind uint16, value, whole []byte) {
		switch kind {
		case nl.CTA_TUPLE_ORIG:
			e.proto, _, e.origDst = parseTuple(value)
			e.identity = append(e.identity, whole...)
		case nl.CTA_TUPLE_REPLY:
			_, e.replySrc, _ = parseTuple(value)
		case nl.CTA_ID, nl.CTA_ZONE:
			e.identity = append(e.identity, whole...)
		}
	})
	return e, e.proto != "" && e.origDst.IsValid() && e.replySrc.IsValid()
}

func parseTuple(tuple []byte) (proto config.Proto, src, dst netip.AddrPort) {
	var from, to netip.Addr
	var fromPort, toPort uint16
	attributes(tuple, func(kind uint16, value, _ []byte) {
		switch kind {
		case nl.CTA_TUPLE_IP:
			attributes(value, func(kind uint16, value, _ []byte) {
				if a, ok := netip.AddrFromSlice(value); !ok {
					return
				} else if kind == nl.CTA_IP_V4_SRC || kind == nl.CTA_IP_V6_SRC {
					from = a
				} else {
					to = a
				}
			})
		case nl.CTA_TUPLE_PROTO:
			proto, fromPort, toPort = parseProto(value)
		}
	})
	return proto, netip.AddrPortFrom(from, fromPort), netip.AddrPortFrom(to, toPort)
}

func parseProto(b []byte) (proto config.Proto, src, dst uint16) {
	attributes(b, func(kind uint16, value, _ []byte) {
		switch {
		case kind == nl.CTA_PROTO_NUM && len(value) == 1:
			for name, number := range protoNumbers {
				if number == value[0] {
					proto = name
				}
			}
		case kind == nl.CTA_PROTO_SRC_PORT && len(value) == 2:
			src = uint16(value[0])<<8 | uint16(value[1])
		case kind == nl.CTA_PROTO_DST_PORT && len(value) == 2:
			dst = uint16(value[0])<<8 | uint16(value[1])
		}
	})
	return proto, src, dst
}

// attributes walks netlink attributes; whole is value with header and padding.
func attributes(b []byte, visit func(kind uint16, value, whole []byte)) {
	for len(b) >= unix.SizeofNlAttr {
		n := int(nl.NativeEndian().Uint16(b))
		padded := (n + 3) &^ 3
		if n < unix.SizeofNlAttr || n > len(b) {
			return
		}
		visit(nl.NativeEndian().Uint16(b[2:])&nl.NLA_TYPE_MASK, b[unix.SizeofNlAttr:n], b[:min(padded, len(b))])
		b = b[min(padded, len(b)):]
	}
}
