package nft

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// What the unix package does not name of linux/netfilter/nfnetlink_log.h.
const (
	msgPacket     = unix.NFNL_SUBSYS_ULOG << 8
	msgConfig     = msgPacket | 1
	attrCommand   = 1
	attrMode      = 2
	attrPayload   = 9
	attrPrefix    = 10
	commandBind   = 1
	copyPacket    = 2
	packetLength  = 128
	receiveBuffer = 8 << 20 // two packets of refusalRate connections, in both families
)

// resetLog receives the packets that rules hand over to a group.
type resetLog struct{ conn *netlink.Conn }

func openResetLog(ns int, group uint16) (*resetLog, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: ns})
	if err != nil {
		return nil, fmt.Errorf("open nfnetlink_log: %w", err)
	}
	// A larger buffer is welcome, not needed.
	_ = conn.SetReadBuffer(receiveBuffer)
	mode := append(binary.BigEndian.AppendUint32(nil, packetLength), copyPacket, 0)
	attrs, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: attrCommand, Data: []byte{commandBind}}, {Type: attrMode, Data: mode}})
	if err == nil {
		_, err = conn.Execute(netlink.Message{
			Header: netlink.Header{Type: msgConfig, Flags: netlink.Request | netlink.Acknowledge},
			Data:   append(binary.BigEndian.AppendUint16([]byte{unix.AF_UNSPEC, unix.NFNETLINK_V0}, group), attrs...),
		})
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("listen to nfnetlink_log, group %d: %w", group, err)
	}
	return &resetLog{conn}, nil
}

// read hands over packets, with the prefix that the rule gave them, until an error,
// that of ctx if it ends. A packet is valid until the next.
func (l *resetLog) read(ctx context.Context, visit func(prefix string, packet []byte)) error {
	defer context.AfterFunc(ctx, func() { l.conn.Close() })()
	for {
		messages, err := l.conn.Receive()
		if errors.Is(err, unix.ENOBUFS) {
			continue // some are lost, whose clients send their SYN again
		}
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("read nfnetlink_log: %w", err)
		}
		for _, m := range messages {
			if m.Header.Type != msgPacket || len(m.Data) < 4 {
				continue
			}
			var prefix string
			var packet []byte
			attributes(m.Data[4:], func(kind uint16, value, _ []byte) {
				switch kind {
				case attrPrefix:
					prefix = unix.ByteSliceToString(value)
				case attrPayload:
					packet = value
				}
			})
			visit(prefix, packet)
		}
	}
}

func (l *resetLog) close() { l.conn.Close() }
