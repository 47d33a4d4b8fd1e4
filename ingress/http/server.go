package http

// Server is the server's side of one connection: it reads requests and writes
// responses, one after the other. Make one with [NewServer].
//
// Reading ([Server.Next]) and writing (all that begins with Append) share nothing
// once a head was read, so that two goroutines may do them at once.
// [Server.Finish] is for when both are done.
type Server struct {
	lim  Limits
	step step
	scan scan
	in   body

	out   frame
	minor int  // of the request's version
	head  bool // the request was HEAD
	keep  bool // the connection goes on after the response
}

// step is which part of a message is read next.
type step uint8

const (
	atHead step = iota
	atBody
	atEnd    // all was read
	switched // to another protocol
	broken   // by an error: nothing that follows means anything
)

// NewServer makes a Server for a new connection.
func NewServer(lim Limits) Server { return Server{lim: lim, minor: 1} }

// Next reads what comes next at the beginning of b. The request that it fills in
// is the same for all parts of one message. After [End] it reads nothing more
// until [Server.Finish], so that requests that a client sends without waiting
// are served in their order. After an error the connection is good for one
// answer, and no more.
//
// b has to have room for a whole head ([Limits.Head]) and trailer section.
func (s *Server) Next(b []byte, r *Request) (Piece, error) {
	switch s.step {
	case atHead:
		return s.nextHead(b, r)
	case atBody:
		p, err := s.in.next(b, &r.Head, &s.lim)
		switch {
		case err != nil:
			s.step = broken
		case p.Kind == End:
			s.step = atEnd
		}
		return p, err
	}
	return Piece{}, nil
}

func (s *Server) nextHead(b []byte, r *Request) (Piece, error) {
	if len(b) == 0 || !s.scan.worthwhile(b, s.lim.Line) && len(b) < s.lim.Head {
		return Piece{}, nil
	}
	n, err := r.parse(b, &s.lim)
	if err == errShort {
		if len(b) < s.lim.Head {
			return Piece{}, nil
		}
		err = tooLongHead(&s.lim)
	}
	if err == nil {
		err = r.checkExpect()
	}
	if err != nil {
		s.step, s.minor, s.head, s.keep = broken, 1, false, false
		return Piece{}, err
	}
	s.step, s.scan = atBody, scan{}
	s.in.begin(r.Length)
	s.minor, s.head = r.Minor, string(r.Method) == "HEAD"
	s.keep = !r.close && (r.Minor == 1 || r.keep)
	return Piece{Kind: GotHead, Used: n}, nil
}

// Bulk is how many bytes may be taken past the machine, by splicing or the like,
// for they are of the body and nothing else: more than 0 within counted bodies.
func (s *Server) Bulk() int64 { return s.in.bulk(s.step) }

// Skip tells that n bytes, no more than [Server.Bulk], were taken so.
func (s *Server) Skip(n int64) { s.in.skip(n) }

// TakesInterim tells whether the client understands interim responses, which
// HTTP/1.0 has not (RFC 9110 section 15.2).
func (s *Server) TakesInterim() bool { return s.minor == 1 }

// Close has the connection end after this response. To have any effect it is
// called before the head of the response is appended.
func (s *Server) Close() { s.keep = false }

// Finish is for when the response is complete. It tells whether the connection
// goes on; then [Server.Next] reads the next request.
func (s *Server) Finish() bool {
	if !s.keep || s.step != atEnd || !s.out.done {
		s.step = broken
		return false
	}
	s.step = atHead
	return true
}
