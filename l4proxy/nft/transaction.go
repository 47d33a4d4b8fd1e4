package nft

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

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
	keptMemory     = 1 << 20 // of a transaction, for the next write
)

// kernel is a connection to nftables that is opened when needed and thrown away
// after an error: what an aborted transaction leaves in the socket would answer
// the next one.
type kernel struct {
	netns  int
	conn   *nftables.Conn
	socket *netlink.Conn // that of conn
	memory []byte        // of the transaction before, if that was small
}

func (k *kernel) open() (*nftables.Conn, error) {
	if k.conn != nil {
		return k.conn, nil
	}
	keep := func(c *netlink.Conn) error {
		k.socket = c
		return nil
	}
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithNetNSFd(k.netns), nftables.WithSockOptions(prepareSocket, keep))
	if err != nil {
		return nil, fmt.Errorf("open nftables netlink: %w", err)
	}
	k.conn = conn
	return conn, nil
}

func (k *kernel) close() {
	if k.conn != nil {
		_ = k.conn.CloseLasting()
		k.conn, k.socket = nil, nil
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

// commit sends a transaction and waits for the kernel's answer.
func (k *kernel) commit(b *batch) (err error) {
	defer func() {
		if err != nil {
			k.close()
		}
	}()
	k.memory = b.done()
	if err := send(k.socket, k.memory); err != nil {
		return err
	}
	for {
		answers, err := k.socket.Receive()
		if err != nil {
			return err
		}
		if slices.ContainsFunc(answers, func(m netlink.Message) bool { return m.Header.Sequence == b.last }) {
			return nil
		}
	}
}

// send is netlink.Conn.Send for what is a message already, or several.
func send(c *netlink.Conn, messages []byte) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return fmt.Errorf("netlink socket: %w", err)
	}
	var sendErr error
	err = raw.Write(func(fd uintptr) bool {
		sendErr = unix.Sendto(int(fd), messages, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		return sendErr != unix.EAGAIN
	})
	if err := cmp.Or(err, sendErr); err != nil {
		return fmt.Errorf("send to nftables: %w", err)
	}
	return nil
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

// all are the elements of the op; those that have to be made are made in a, one
// when it is its turn.
func (o op) all(a *arena) iter.Seq[nftables.SetElement] {
	return func(yield func(nftables.SetElement) bool) {
		for _, e := range o.elems {
			if !yield(e) {
				return
			}
		}
		for _, g := range o.slots {
			for s := range g.Slots {
				if !yield(a.slot(g, s)) {
					return
				}
			}
		}
	}
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
	defer func() {
		if cap(k.memory) > keptMemory {
			k.memory = nil
		}
	}()
	for units := p.units; len(units) > 0; {
		if _, err := k.open(); err != nil {
			return err
		}
		b, n := newBatch(k.memory), 0
		for size := 0; n < len(units) && (n == 0 || size+unitSize(units[n]) <= perTransaction); n++ {
			size += unitSize(units[n])
			for _, o := range units[n] {
				b.add(o)
			}
		}
		if err := k.commit(b); err != nil {
			return fmt.Errorf("write %d changes to nftables: %w", n, err)
		}
		units = units[n:]
	}
	return nil
}
