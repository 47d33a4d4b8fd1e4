package engine

import (
	"github.com/steelyard-lb/steelyard/ingress/http"
)

// caller is who made a request, as its passage sees him: a connection of HTTP/1.1 or a
// stream of HTTP/2. What is for him is gathered until flush. Errors are [errClient] if
// he is gone.
type caller interface {
	run()         // goes on with the request
	broken() bool // nothing more can be sent
	gone() bool   // looks whether he is there
	hears() bool  // he was sent something lately, and may be silent meanwhile

	push() error        // sends what waits
	pending() int       // of what waits
	takes(most int) int // how much may be read for him now, of so much at most

	piece(x *passage) (http.Piece, error)        // what is at hand of the body, of kind More if nothing is
	sendMore(x *passage) (again bool, err error) // passes more of the body on

	proceed()                            // says 100 Continue
	interim(*http.Response)              // passes an interim answer on
	head(res *http.Response, whole bool) // the final one; whole: the request was read to its end
	data([]byte)                         // of the body; as it is until flush
	end(trailers []http.Field)           // with what waits
	flush() error
	answer(err error, whole bool) error // says why there is no answer

	letGo()    // of the passage, after which comes one of these:
	finished() // all was answered
	reset()    // it is too late to say that all was not
	close()    // there is nobody to be told
}

func (d *downstream) broken() bool       { return d.failed }
func (d *downstream) hears() bool        { return false }
func (d *downstream) takes(most int) int { return most }
func (d *downstream) letGo()             { d.x = nil }

func (d *downstream) piece(x *passage) (http.Piece, error) {
	p, err := d.server.Next(d.in.bytes(), &x.req)
	if err == nil {
		d.in.use(p.Used)
	}
	return p, err
}

func (d *downstream) proceed() { d.w.out = d.server.AppendContinue(d.w.out) }

func (d *downstream) interim(res *http.Response) {
	if d.server.TakesInterim() {
		d.w.out = http.EndHead(d.server.AppendResponse(d.w.out, res, 0))
	}
}

func (d *downstream) head(res *http.Response, whole bool) {
	d.closeAfter(whole)
	d.w.out = appendResponse(d.w.out, &d.server, res)
}

// closeAfter has the connection end with this answer if it must: what is left of a
// request would be taken for the next one.
func (d *downstream) closeAfter(whole bool) {
	if d.w.e.leaving.Load() || !whole {
		d.server.Close()
	}
}

func (d *downstream) data(b []byte) { d.w.out = d.server.AppendData(d.w.out, b) }

func (d *downstream) end(trailers []http.Field) { d.w.out = d.server.AppendEnd(d.w.out, trailers) }

func (d *downstream) flush() error {
	out := d.w.out
	d.w.out = out[:0]
	return d.say(out)
}

func (d *downstream) answer(err error, whole bool) error {
	d.closeAfter(whole)
	return d.say(appendAnswer(d.w.out[:0], &d.server, err))
}
