package engine

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/steelyard-lb/steelyard/ingress/http"
)

// receive passes the backend's answer to the client.
func (x *exchange) receive() error {
	client, server := &x.backend.client, &x.c.server
	x.deadline = time.Now().Add(x.c.e.opts.Response)
	for {
		p, err := client.Next(x.in.bytes(), &x.res)
		if err != nil {
			return err
		}
		x.in.use(p.Used)
		switch p.Kind {
		case http.GotHead:
			if err := x.passHead(); err != nil {
				return err
			}
			continue
		case http.Data:
			x.down = server.AppendData(x.down, p.Data)
			continue
		case http.End:
			x.down = server.AppendEnd(x.down, x.res.Trailers)
			return x.flush()
		}
		if err := x.flush(); err != nil {
			return err
		}
		if client.Switched() {
			return x.tunnel()
		}
		if x.answered {
			x.deadline = time.Now().Add(x.c.e.opts.Between)
		}
		switch ended, err := x.more(); {
		case err != nil:
			return err
		case ended:
			if err := client.EOF(); err != nil {
				return err
			}
			x.down = server.AppendEnd(x.down, nil)
			return x.flush()
		}
	}
}

// passHead passes on the head of an answer, interim or final.
func (x *exchange) passHead() error {
	server := &x.c.server
	switch {
	case x.res.Status == 100:
		return x.goOn()
	case x.res.Interim():
		if server.TakesInterim() {
			x.down = http.EndHead(server.AppendResponse(x.down, &x.res, 0))
		}
		return nil
	}
	x.answered = true
	if x.c.e.leaving.Load() || !x.ended.Load() { // what is left of the request would be taken for the next one
		server.Close()
	}
	x.down = appendResponse(x.down, server, &x.res)
	return nil
}

// goOn has a client that waits for 100 Continue send its body.
func (x *exchange) goOn() error {
	if !x.waits {
		return nil
	}
	x.waits = false
	x.down = x.c.server.AppendContinue(x.down)
	if err := x.flush(); err != nil {
		return err
	}
	x.beginUpload()
	return nil
}

// flush sends what is for the client.
func (x *exchange) flush() error {
	if len(x.down) == 0 {
		return nil
	}
	err := x.c.write(x.down)
	x.down = x.down[:0]
	if err != nil {
		return fmt.Errorf("%w: %w", errClient, err)
	}
	return nil
}

// more reads from the backend once. While nothing comes, it looks after the
// client, who may have gone, and after the upload. It tells whether the backend
// ended what it sends, and not by io.EOF, which an upload's error may be as well.
func (x *exchange) more() (ended bool, err error) {
	for {
		look := lookEvery
		if x.waits {
			look = x.c.e.opts.Expect
		}
		until := time.Now().Add(look)
		if x.upload == nil && !x.waits && x.deadline.Before(until) {
			until = x.deadline
		}
		_ = x.backend.SetReadDeadline(until)
		n, err := x.in.fill(x.backend, largeBuffer, x.c.e.room)
		x.heard = x.heard || n > 0
		switch {
		case n > 0:
			return false, nil
		case errors.Is(err, io.EOF):
			return true, nil
		case !late(err):
			return false, &failure{errBrokeOff, err}
		}
		switch busy, err := x.uploads(); {
		case err != nil:
			return false, err
		case x.waits:
			if err := x.goOn(); err != nil {
				return false, err
			}
			fallthrough
		case busy: // the time for an answer begins when all of the request is there
			x.deadline = time.Now().Add(x.c.e.opts.Response)
		case peek(x.c.TCPConn) == gone:
			return false, errClient
		case time.Now().After(x.deadline):
			return false, errNoAnswer
		}
	}
}
