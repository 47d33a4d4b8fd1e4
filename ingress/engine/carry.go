package engine

import (
	"io"

	"github.com/steelyard-lb/steelyard/ingress/http"
)

// upload sends what there is of the request, and tells whether it sent any.
func (x *passage) upload() (again bool, err error) {
	u := x.up
	switch {
	case x.asked:
		return false, nil
	case u.flush() != nil:
		x.giveUp()
		return true, nil
	case !x.begun:
		x.sendHead()
		again = true // answers are read from now on
	case u.pending() == 0 && !x.ended && !x.waits:
		again, err = x.c.sendMore(x)
	}
	until := &x.until[forBackend]
	switch {
	case err != nil || x.asked:
	case u.pending() == 0 && x.ended:
		x.asked = true
		x.awaitAnswer()
	case u.pending() == 0:
		*until = 0
	case *until == 0:
		x.await(forBackend, x.opts.Send)
	}
	return again, err
}

// sendHead sends the head, and what came with it of the body.
func (x *passage) sendHead() {
	client := &x.up.client
	out := x.from.appendRequest(x.w.out[:0], client, &x.req, x.target, x.record.ID, x.state.trusts(x.from.peer), x.policy)
	out = client.AppendData(out, x.body)
	if x.whole {
		out = client.AppendEnd(out, x.req.Trailers)
	}
	x.begun = true
	if x.waits {
		x.await(forContinue, x.w.e.opts.Expect)
	}
	x.ask(out)
}

// sendMore sends what came after the head.
func (d *downstream) sendMore(x *passage) (again bool, err error) {
	until := &d.until[forBody]
	b, n, err := x.readBody()
	switch {
	case err != nil:
		return false, lost(err)
	case n > 0:
		*until = 0
	}
	out := d.w.out[:0]
	for p := (http.Piece{Kind: http.Data}); p.Kind == http.Data; {
		if p, err = d.server.Next(b, &x.req); err != nil {
			return false, err
		}
		b = b[p.Used:] // at once: what was read must never be read again
		switch p.Kind {
		case http.Data:
			if err := x.weigh(len(p.Data)); err != nil {
				return false, err
			}
			out = x.up.client.AppendData(out, p.Data)
		case http.End:
			x.ended = true
			out = x.up.client.AppendEnd(out, x.req.Trailers)
		}
	}
	d.take(b)
	if len(out) > 0 {
		x.ask(out)
	}
	if n == 0 && !x.ended && *until == 0 {
		d.await(forBody, d.w.e.opts.Client)
	}
	return n > 0, nil
}

// readBody takes more of the body, unless the kernel moves it.
func (x *passage) readBody() (b []byte, n int, err error) {
	d, u := x.d, x.up
	rest, bulk, most := d.in.bytes(), d.server.Bulk(), pieceSize
	switch {
	case !d.readable:
		return rest, 0, nil
	case len(rest) == 0 && d.w.pours(&d.link, &u.link, bulk, u.client.Plain()):
		n, err, failed := d.w.pour(&d.link, &u.link, bulk)
		d.server.Skip(int64(n))
		u.client.Passed(int64(n))
		if failed != nil {
			x.giveUp()
		}
		x.size += int64(n) // which was weighed by what the head says
		return nil, n, err
	case bulk >= streamSize: // nothing that follows it is read
		most = streamSize
	}
	return d.readOn(rest, most)
}

// ask sends to the backend.
func (x *passage) ask(out []byte) {
	x.w.out = out[:0]
	n, err := x.up.send(out)
	x.sent = x.sent || n > 0 || err == nil // what waits will go
	if err != nil {
		x.giveUp()
	}
}

// giveUp is for a backend that takes no more of the request. It may have answered all
// the same, or tells why it did not when it is read from.
func (x *passage) giveUp() {
	x.unwanted, x.asked = true, true
	x.until[forBackend], x.until[forBody] = 0, 0
	x.up.readable, x.up.wary = true, true
	x.up.discard()
	x.awaitAnswer()
}

// awaitAnswer bounds the time until something of the answer comes. The time for the
// first of it begins when the backend has all of the request.
func (x *passage) awaitAnswer() {
	patience := x.opts.Response
	if x.answered {
		patience = x.opts.Between
	}
	x.await(forAnswer, patience)
}

// download passes on what there is of the answer, and tells whether there was any.
func (x *passage) download() (again bool, err error) {
	u := x.up
	if !x.begun || x.c.pending() > 0 || !u.readable {
		return false, nil
	}
	if n := u.client.Bulk(); x.d != nil && len(u.rest) == 0 && x.w.pours(&u.link, &x.d.link, n, x.d.server.Plain()) {
		return x.pourDown(n)
	}
	most := pieceSize
	if x.answered {
		if most = x.c.takes(streamSize); most == 0 {
			return false, nil
		}
	}
	b, n, err := u.readOn(u.rest, most)
	ended := err == io.EOF
	switch {
	case err != nil && !ended:
		return false, &failure{errBrokeOff, err}
	case n == 0 && !ended:
		return false, nil
	}
	x.heard = x.heard || n > 0
	return true, x.digest(b, ended)
}

// pourDown passes on what is left of a body, which is n bytes at most.
func (x *passage) pourDown(n int64) (again bool, err error) {
	d, u := x.d, x.up
	moved, err, failed := d.w.pour(&u.link, &d.link, n)
	u.client.Skip(int64(moved))
	d.server.Passed(int64(moved))
	x.note.bytes += int64(moved)
	switch {
	case failed != nil:
		return false, lost(failed)
	case err != nil && err != io.EOF:
		return false, &failure{errBrokeOff, err}
	case err == nil && moved == 0:
		return false, nil
	}
	return true, x.digest(nil, err == io.EOF)
}

// digest passes on what was read of an answer, which may be the last of it.
func (x *passage) digest(b []byte, ended bool) error {
	u, res := x.up, &x.w.res
	x.w.out = x.w.out[:0]
	for p := (http.Piece{Kind: http.Data}); p.Kind == http.Data || p.Kind == http.GotHead; {
		var err error
		if p, err = u.client.Next(b, res); err != nil {
			return err
		}
		b = b[p.Used:]
		switch p.Kind {
		case http.GotHead:
			x.passHead(res)
		case http.Data:
			x.bytes += int64(len(p.Data))
			x.c.data(p.Data)
		case http.End:
			x.over = true
			x.c.end(res.Trailers)
		}
	}
	if u.rest = append(u.rest[:0], b...); len(b) == 0 {
		u.rest = nil
	}
	if ended && !x.over {
		if err := u.client.EOF(); err != nil {
			return err
		}
		x.over = true
		x.c.end(nil)
	}
	if err := x.c.flush(); err != nil {
		return err
	}
	if u.client.Switched() {
		return errSwitched
	}
	if x.asked {
		x.awaitAnswer()
	}
	if x.until[forGone] != 0 {
		x.await(forGone, lookEvery)
	}
	return nil
}

// passHead passes on the head of an answer, interim or final.
func (x *passage) passHead(res *http.Response) {
	switch {
	case res.Status == 100:
		x.proceed()
		return
	case res.Interim():
		x.c.interim(res)
		return
	}
	x.endpoint.Answer(x.w.now(), x.w.now()-x.since)
	x.answered, x.status = true, res.Status
	x.dress(res, x.endpoint)
	if x.waits { // with a body that nobody asked for
		x.waits = false
		x.giveUp()
	}
	x.c.head(res, x.ended)
}

// proceed has a client that waits for 100 Continue send its body.
func (x *passage) proceed() {
	if x.waits {
		x.waits = false
		x.until[forContinue] = 0
		x.c.proceed()
	}
}
