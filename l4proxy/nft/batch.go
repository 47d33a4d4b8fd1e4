package nft

import (
	"encoding/binary"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// batch is one transaction of element changes as the kernel reads it. The library
// makes several allocations and copies for each attribute, and asks for an answer
// to each message; a cold load has millions of elements, and a small change is to
// be written in less than a millisecond.
type batch struct {
	buf     []byte
	last    uint32 // sequence number of the last message
	begun   int    // where it is
	scratch arena  // of the element at hand
}

// newBatch begins a transaction, in the memory of one that is over.
func newBatch(memory []byte) *batch {
	b := &batch{buf: memory[:0]}
	b.message(unix.NFNL_MSG_BATCH_BEGIN, netlink.Request, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
	return b
}

// done ends the transaction and returns its bytes. The kernel is asked to answer
// its last message; it says of its own accord which ones it cannot obey.
func (b *batch) done() []byte {
	flags := b.buf[b.begun+6:]
	binary.NativeEndian.PutUint16(flags, binary.NativeEndian.Uint16(flags)|uint16(netlink.Acknowledge))
	b.message(unix.NFNL_MSG_BATCH_END, netlink.Request, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
	return b.buf
}

// add appends what o does, in messages of a bounded size.
func (b *batch) add(o op) {
	n, list := 0, 0
	for e := range o.all(&b.scratch) {
		if n%perMessage == 0 {
			if n > 0 {
				b.endList(list)
			}
			list = b.beginList(o)
		}
		b.element(e)
		b.scratch.reuse()
		n++
	}
	if n > 0 {
		b.endList(list)
	}
}

// beginList and endList are around the elements of a message.
func (b *batch) beginList(o op) int {
	kind, flags := unix.NFT_MSG_NEWSETELEM, netlink.Request|netlink.Create
	if o.del {
		kind, flags = unix.NFT_MSG_DELSETELEM, netlink.Request
	}
	b.last++
	b.begun = len(b.buf)
	b.message(unix.NFNL_SUBSYS_NFTABLES<<8|kind, flags, byte(o.set.Table.Family), 0)
	b.attr(unix.NFTA_SET_ELEM_LIST_TABLE, []byte(o.set.Table.Name+"\x00"))
	b.attr(unix.NFTA_SET_ELEM_LIST_SET, []byte(o.set.Name+"\x00"))
	return b.begin(unix.NFTA_SET_ELEM_LIST_ELEMENTS | unix.NLA_F_NESTED)
}

func (b *batch) endList(list int) {
	b.end(list)
	binary.NativeEndian.PutUint32(b.buf[b.begun:], uint32(len(b.buf)-b.begun))
}

func (b *batch) element(e nftables.SetElement) {
	elem := b.begin(unix.NFTA_LIST_ELEM | unix.NLA_F_NESTED)
	if e.IntervalEnd {
		b.attr(unix.NFTA_SET_ELEM_FLAGS, binary.BigEndian.AppendUint32(nil, unix.NFT_SET_ELEM_INTERVAL_END))
	}
	b.data(unix.NFTA_SET_ELEM_KEY, e.Key)
	if len(e.Val) > 0 {
		b.data(unix.NFTA_SET_ELEM_DATA, e.Val)
	}
	b.end(elem)
}

func (b *batch) data(kind uint16, value []byte) {
	at := b.begin(kind | unix.NLA_F_NESTED)
	b.attr(unix.NFTA_DATA_VALUE, value)
	b.end(at)
}

func (b *batch) attr(kind uint16, value []byte) {
	at := b.begin(kind)
	b.buf = append(b.buf, value...)
	b.end(at)
}

// begin and end are around the value of an attribute.
func (b *batch) begin(kind uint16) int {
	b.buf = binary.NativeEndian.AppendUint16(b.buf, 0)
	b.buf = binary.NativeEndian.AppendUint16(b.buf, kind)
	return len(b.buf) - unix.SizeofNlAttr
}

func (b *batch) end(at int) {
	binary.NativeEndian.PutUint16(b.buf[at:], uint16(len(b.buf)-at))
	for len(b.buf)%unix.NLA_ALIGNTO != 0 {
		b.buf = append(b.buf, 0)
	}
}

// message appends headers, of netlink and of netfilter, with the length of a
// message that has nothing else.
func (b *batch) message(kind int, flags netlink.HeaderFlags, family byte, resource uint16) {
	b.buf = binary.NativeEndian.AppendUint32(b.buf, unix.SizeofNlMsghdr+sizeofNfgenmsg)
	b.buf = binary.NativeEndian.AppendUint16(b.buf, uint16(kind))
	b.buf = binary.NativeEndian.AppendUint16(b.buf, uint16(flags))
	b.buf = binary.NativeEndian.AppendUint32(b.buf, b.last)
	b.buf = binary.NativeEndian.AppendUint32(b.buf, 0) // the port, which the kernel knows
	b.buf = append(b.buf, family, unix.NFNETLINK_V0)
	b.buf = binary.BigEndian.AppendUint16(b.buf, resource)
}

const sizeofNfgenmsg = 4
