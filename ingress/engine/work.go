package engine

import "github.com/steelyard-lb/steelyard/ingress/http"

// work is the memory that a request needs and an idle connection does not.
type work struct {
	res  http.Response
	in   buffer // from the backend
	body []byte // of the request, as far as it came with the head
	up   []byte // for the backend
	down []byte // for the client

	noted []byte // of the request, for the access log
}

// keptMemory bounds what is kept for the next request.
const keptMemory = 256 << 10

// borrow takes memory for one request.
func (e *Engine) borrow() *work { return e.work.Get().(*work) }

// give returns it, unless a request made it grow beyond measure.
func (e *Engine) give(w *work) {
	w.in.r, w.in.w = 0, 0
	w.body, w.up, w.down = w.body[:0], w.up[:0], w.down[:0]
	if len(w.in.b)+cap(w.body)+cap(w.up)+cap(w.down)+cap(w.noted) <= keptMemory {
		e.work.Put(w)
	}
}
