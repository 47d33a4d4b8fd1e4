package http

// Client is the client's side of one connection to a backend: it writes requests
// and reads responses, one after the other. Make one with [NewClient].
//
// As with a [Server], reading and writing share nothing once the head of a
// request was appended.
type Client struct {
	lim  Limits
	step step
	scan scan
	in   body

	out     frame
	head    bool // the request is HEAD
	upgrade bool // the request asks for another protocol
	keep    bool // the backend keeps the connection after the response
	interim int  // interim responses so far
}

// NewClient makes a Client for a new connection.
func NewClient(lim Limits) Client {
	return Client{lim: lim, step: atEnd, keep: true, out: frame{done: true}}
}

var (
	errBrokeOff  = refuse(statusBadGateway, "the backend closed the connection before its answer was complete")
	errInterim   = refuse(statusBadGateway, "the backend sent more than %d interim answers", maxInterim)
	errSwitching = refuse(statusBadGateway, "the backend switched to a protocol that nobody asked for")
)

// Next reads what comes next at the beginning of b. Any number of interim
// responses come before the final one: see [Response.Interim]. After a response
// with status 101 the connection belongs to another protocol: see
// [Client.Switched]. After an error it is good for nothing.
func (c *Client) Next(b []byte, r *Response) (Piece, error) {
	switch c.step {
	case atHead:
		return c.nextHead(b, r)
	case atBody:
		p, err := c.in.next(b, &r.Head, &c.lim)
		switch {
		case err != nil:
			c.step = broken
			err = invalid(err)
		case p.Kind == End:
			c.step = atEnd
		}
		return p, err
	}
	return Piece{}, nil
}

func (c *Client) nextHead(b []byte, r *Response) (Piece, error) {
	if len(b) == 0 || !c.scan.worthwhile(b, c.lim.Line) && len(b) < c.lim.Head {
		return Piece{}, nil
	}
	n, err := r.parse(b, c.head, &c.lim)
	if err == errShort {
		if len(b) < c.lim.Head {
			return Piece{}, nil
		}
		err = refuse(statusBadGateway, "the head of the backend's answer is longer than %d bytes", c.lim.Head)
	}
	c.scan = scan{}
	if err == nil {
		err = c.take(r)
	}
	if err != nil {
		c.step = broken
		return Piece{}, err
	}
	return Piece{Kind: GotHead, Used: n}, nil
}

// take goes on from a head.
func (c *Client) take(r *Response) error {
	switch {
	case r.Interim():
		if c.interim++; c.interim > maxInterim {
			return errInterim
		}
		return nil
	case r.Status == statusSwitchingProtocols:
		if !c.upgrade || !r.upgrade || len(r.upgradeTo) == 0 || carriesHTTP(r.upgradeTo) {
			return errSwitching
		}
		c.step = switched
		return nil
	}
	c.step = atBody
	c.in.begin(r.Length)
	c.keep = !r.close && (r.Minor == 1 || r.keep) && r.Length != UntilClose
	return nil
}

// EOF tells that the backend sends no more. If the response ended by that, it is
// complete, and the error is nil.
func (c *Client) EOF() error {
	if c.step == atBody && c.in.length == UntilClose {
		c.step = atEnd
		return nil
	}
	c.step = broken
	return errBrokeOff
}

// Bulk is how many bytes may be taken past the machine, as [Server.Bulk].
func (c *Client) Bulk() int64 { return c.in.bulk(c.step) }

// Skip tells that n bytes, no more than [Client.Bulk], were taken so.
func (c *Client) Skip(n int64) { c.in.skip(n) }

// Switched tells whether the backend switched to the protocol that the request
// asked for. All further bytes, in both directions, are that protocol's.
func (c *Client) Switched() bool { return c.step == switched }

// Reusable tells whether another request may be sent: request and response are
// complete, and both sides keep the connection. Bytes that came after the
// response are nobody's: with any left over the connection is to be closed.
func (c *Client) Reusable() bool { return c.step == atEnd && c.keep && c.out.done }
