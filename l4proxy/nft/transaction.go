package nft

import (
	"cmp"
	"fmt"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/l4proxy"
)

// The attribute that lists the elements of a message has a 16-bit length, so a
// message holds a bounded number; so does the socket buffer a transaction.
const (
	perMessage     = 400
	perTransaction = 32 << 10
	socketBuffer   = 64 << 20
)

// kernel is a connection to nftables that is opened when needed and thrown away
// after an error: what an aborted transaction leaves in the socket would answer
// the next one.
type kernel struct {
	netns int
	conn  *nftables.Conn
}

func (k *kernel) open() (*nftables.Conn, error) {
	if k.conn != nil {
		return k.conn, nil
	}
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithNetNSFd(k.netns), nftables.WithSockOptions(prepareSocket))
	if err != nil {
		return nil, fmt.Errorf("open nftables netlink: %w", err)
	}
	k.conn = conn
	return conn, nil
}

func (k *kernel) close() {
	if k.conn != nil {
		_ = k.conn.CloseLasting()
		k.conn = nil
	}
}

// flush commits what was buffered as one transaction.
func (k *kernel) flush() error {
	err := k.conn.Flush()
	if err != nil {
		k.close()
	}
	return err
}

func prepareSocket(c *netlink.Conn) error {
	if err := c.SetReadBuffer(socketBuffer); err != nil {
		return fmt.Errorf("set netlink receive buffer (needs CAP_NET_ADMIN): %w", err)
	}
	if err := c.SetWriteBuffer(socketBuffer); err != nil {
		return fmt.Errorf("set netlink send buffer (needs CAP_NET_ADMIN): %w", err)
	}
	return widenDumps(c)
}

// widenDumps makes the kernel answer dumps in pieces of 32 KiB instead of 4: it
// takes the largest buffer that was ever received into as the measure. A dump
// walks a set from its beginning for each piece, so that this counts.
func widenDumps(c *netlink.Conn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return fmt.Errorf("netlink socket: %w", err)
	}
	noop := netlink.Message{Header: netlink.Header{Type: netlink.Noop, Flags: netlink.Request | netlink.Acknowledge}}
	if _, err := c.Send(noop); err != nil {
		return fmt.Errorf("netlink noop: %w", err)
	}
	var recvErr error
	err = raw.Read(func(fd uintptr) bool {
		_, _, recvErr = unix.Recvfrom(int(fd), make([]byte, 32<<10), 0)
		return recvErr != unix.EAGAIN
	})
	if err := cmp.Or(err, recvErr); err != nil {
		return fmt.Errorf("netlink noop: %w", err)
	}
	return nil
}

// op deletes elements from a set, or adds some.
type op struct {
	set   *nftables.Set
	del   bool
	elems []nftables.SetElement
	slots []*l4proxy.Group // theirs are added, too; they are made when they are sent: a cold load has millions
}

func (o op) size() int {
	n := len(o.elems)
	for _, g := range o.slots {
		n += len(g.Slots)
	}
	return n
}

// all are the elements of the op.
func (o op) all() []nftables.SetElement {
	if len(o.slots) == 0 {
		return o.elems
	}
	out, a := append(make([]nftables.SetElement, 0, o.size()), o.elems...), &arena{}
	for _, g := range o.slots {
		out = a.slots(out, g)
	}
	return out
}

// plan is a list of units to be written in order. The ops of one unit take
// effect at the same moment; units may be spread over several transactions.
type plan struct{ units [][]op }

func (p *plan) unit(ops ...op) {
	var keep []op
	for _, o := range ops {
		if o.size() > 0 {
			keep = append(keep, o)
		}
	}
	if len(keep) > 0 {
		p.units = append(p.units, keep)
	}
}

// add appends elements that need not appear together.
func (p *plan) add(set *nftables.Set, del bool, elems []nftables.SetElement) {
	for len(elems) > perMessage {
		p.unit(op{set: set, del: del, elems: elems[:perMessage]})
		elems = elems[perMessage:]
	}
	p.unit(op{set: set, del: del, elems: elems})
}

// addSlots appends the slots of groups, which need not appear together, about a
// message in each unit.
func (p *plan) addSlots(set *nftables.Set, groups []*l4proxy.Group) {
	begin, n := 0, 0
	for i, g := range groups {
		if n += len(g.Slots); n >= perMessage-l4proxy.Classes[0] || i == len(groups)-1 {
			p.unit(op{set: set, slots: groups[begin : i+1]})
			begin, n = i+1, 0
		}
	}
}

func (p *plan) size() int {
	n := 0
	for _, u := range p.units {
		n += unitSize(u)
	}
	return n
}

func unitSize(u []op) int {
	n := 0
	for _, o := range u {
		n += o.size()
	}
	return n
}

// write executes the plan. After an error a prefix of it is in the kernel.
func (p *plan) write(k *kernel) error {
	for units := p.units; len(units) > 0; {
		conn, err := k.open()
		if err != nil {
			return err
		}
		n := 0
		for size := 0; n < len(units) && (n == 0 || size+unitSize(units[n]) <= perTransaction); n++ {
			size += unitSize(units[n])
			if err := send(conn, units[n]); err != nil {
				k.close()
				return err
			}
		}
		if err := k.flush(); err != nil {
			return fmt.Errorf("write %d changes to nftables: %w", n, err)
		}
		units = units[n:]
	}
	return nil
}

func send(conn *nftables.Conn, unit []op) error {
	for _, o := range unit {
		write := conn.SetAddElements
		if o.del {
			write = conn.SetDeleteElements
		}
		for elems := o.all(); len(elems) > 0; {
			n := min(perMessage, len(elems))
			if err := write(o.set, elems[:n]); err != nil {
				return fmt.Errorf("encode elements of %s: %w", o.set.Name, err)
			}
			elems = elems[n:]
		}
	}
	return nil
}
