package engine

import (
	"io"
	"time"
)

// tunnel is for a connection that goes on with another protocol, both ways, until
// both sides ended it, or one broke off.
func (x *exchange) tunnel(backend wire, answered *buffer) error {
	client, asked := x.client.through()
	done := make(chan struct{})
	go func() {
		defer close(done)
		x.carry(backend, client, asked)
	}()
	x.note.bytes += x.carry(client, backend, answered)
	<-done
	return nil
}

// carry moves bytes one way, those that were read already first. When that way
// ended, the other one has the time that is given to a silent client; when it
// broke, both end. It tells how many bytes it moved.
func (x *exchange) carry(to, from wire, first *buffer) (moved int64) {
	n, err := to.Write(first.bytes())
	first.use(len(first.bytes()))
	if err == nil {
		moved, err = io.Copy(to, from)
	}
	moved += int64(n)
	if err != nil || to.CloseWrite() != nil {
		_ = to.Close()
		_ = from.Close()
		return moved
	}
	_ = to.SetReadDeadline(time.Now().Add(x.c.e.opts.Client))
	return moved
}
