package bgp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// gateBuffer is for bytes on their way, in each direction.
const gateBuffer = 16 << 10

// carry hands messages on until either side ends. GoBGP's last words are handed on,
// too; ctx's end is when a router that does not take them has had its time.
func (g *gate) carry(ctx context.Context, router, speaker *net.TCPConn) {
	stop := context.AfterFunc(ctx, func() { _ = router.SetDeadline(time.Now().Add(lastWordTime)) })
	defer stop()
	out := &outbox{conn: router}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		out.send(speaker)
		_ = router.SetDeadline(time.Now().Add(lastWordTime))
		_ = router.CloseWrite()
	}()
	if why := g.hear(router, speaker); why != nil {
		g.journal.suspect(why.why)
		out.refuse(why)
		_, _ = io.Copy(io.Discard, router) // or what is not read would make the end a reset, which overtakes
	}
	speaker.Close()
	<-sent
}

// hear hands on what the router says, until it ends, or says what is to go no further.
func (g *gate) hear(router, speaker *net.TCPConn) *refusal {
	in, out := bufio.NewReaderSize(router, gateBuffer), bufio.NewWriterSize(speaker, gateBuffer)
	var message []byte
	var at stage
	for {
		var err error
		var why *refusal
		if message, err = readMessage(in, message); err == nil {
			at, err = g.examine(message, at)
		}
		if errors.As(err, &why) {
			_ = out.Flush() // what came before counts
			return why
		}
		if err != nil {
			return nil // the router has closed
		}
		_, err = out.Write(message)
		if err == nil && !another(in) {
			err = out.Flush()
		}
		if err != nil { // GoBGP has closed, and its last words are on their way
			_, _ = io.Copy(io.Discard, in)
			return nil
		}
	}
}

// examine looks at a message before GoBGP gets it; the error is a *refusal.
func (g *gate) examine(message []byte, at stage) (stage, error) {
	next, err := at.after(message[18])
	if err != nil {
		return at, err
	}
	m, err := parse(message)
	if err != nil {
		return at, err
	}
	if open, ok := m.Body.(*bgp.BGPOpen); ok {
		err = g.settings().admits(open)
	}
	return next, err
}

// admits refuses a router of an AS that breaks dynamicASN, and one that wants no hold
// timer (RFC 4271 §4.2 leaves us that): a dead one would go unnoticed. The error is a
// *refusal.
func (s settings) admits(open *bgp.BGPOpen) error {
	if open.HoldTime == 0 {
		return &refusal{bgp.BGP_ERROR_OPEN_MESSAGE_ERROR, bgp.BGP_ERROR_SUB_UNACCEPTABLE_HOLD_TIME, nil,
			Reason{KindRejected, "rejected what the router sent: a hold time of 0; set one of 3 seconds or more at the router"}}
	}
	asn := asnIn(open)
	if s.accepts(asn) {
		return nil
	}
	why := fmt.Sprintf("AS mismatch: expected an %s peer of AS %d, got %d", s.peer.dynamic, s.server.asn, asn)
	return &refusal{bgp.BGP_ERROR_OPEN_MESSAGE_ERROR, bgp.BGP_ERROR_SUB_BAD_PEER_AS, nil, Reason{KindASMismatch, why}}
}

// outbox is what goes to the router, message by message.
type outbox struct {
	conn *net.TCPConn

	mu     sync.Mutex // held while a message is written
	closed bool
}

// send hands on what GoBGP says, until it ends.
func (o *outbox) send(speaker *net.TCPConn) {
	in := bufio.NewReaderSize(speaker, gateBuffer)
	var message, batch []byte
	for {
		var err error
		if message, err = readMessage(in, message); err != nil {
			return
		}
		if batch = append(batch, message...); len(batch) < gateBuffer && another(in) {
			continue
		}
		if o.write(batch) != nil {
			return
		}
		batch = batch[:0]
	}
}

func (o *outbox) write(messages []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return net.ErrClosed
	}
	_, err := o.conn.Write(messages)
	return err
}

// refuse writes the last message of all.
func (o *outbox) refuse(why *refusal) {
	_ = o.conn.SetDeadline(time.Now().Add(lastWordTime)) // of a router that has ceased to read, for write too
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	if message, err := why.notification(); err == nil {
		_, _ = o.conn.Write(message)
	}
	_ = o.conn.CloseWrite()
}
