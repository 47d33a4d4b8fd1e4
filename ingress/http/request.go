package http

import "bytes"

// Request is the head of a request. Its slices are of the buffer that it was read
// from, and no longer good than that.
type Request struct {
	Head
	Method []byte
	Target []byte // as it came

	// What the target means (RFC 9112 section 3.2). Authority is that of an
	// absolute target, else the field Host; it is empty if there is neither. Path
	// begins with a slash, or is "*". Query is without its question mark.
	Authority []byte
	Path      []byte
	Query     []byte
	HasQuery  bool // there is a question mark, were it with nothing after it

	// Instead is the authority that the backend is asked for in place of the
	// client's; nil: the client's. It is for whoever passes the request on to set.
	Instead []byte
}

// Asked is the authority that the backend is asked for.
func (r *Request) Asked() []byte {
	if r.Instead != nil {
		return r.Instead
	}
	return r.Authority
}

// Upgrades is the protocol that the client would like to go on with on this
// connection, such as "websocket"; nil if it does not ask, or may not: not over
// HTTP/1.0, not with a body, which would not be over when the other protocol
// begins, and not to HTTP or TLS, in which requests would pass unseen.
func (r *Request) Upgrades() []byte {
	if !r.upgrade || r.Minor == 0 || r.Length != 0 || len(r.upgradeTo) == 0 || r.has.Has(HTTP2Settings) {
		return nil
	}
	for rest := r.upgradeTo; len(rest) > 0; {
		var protocol []byte
		if protocol, rest = cutItem(rest); carriesHTTP(protocol) {
			return nil
		}
	}
	return r.upgradeTo
}

// carriesHTTP tells whether a protocol is HTTP itself, or may hide it.
func carriesHTTP(protocol []byte) bool {
	for _, p := range []string{"h2", "h3", "http/", "tls/"} {
		if len(protocol) >= len(p) && is(protocol[:len(p)], p) {
			return true
		}
	}
	return false
}

// Waits tells whether the client waits for 100 Continue before it sends the body
// (RFC 9110 section 10.1.1).
func (r *Request) Waits() bool { return r.has.Has(Expect) && r.Minor == 1 && r.Length != 0 }

var errExpectation = refuse(417, "the field Expect asks for something other than 100-continue")

func (r *Request) checkExpect() error {
	if r.has.Has(Expect) && !is(r.Get(Expect), "100-continue") {
		return errExpectation
	}
	return nil
}

// Safe tells whether asking twice does no more than asking once, and asking not
// at all (RFC 9110 section 9.2.1).
func (r *Request) Safe() bool {
	switch string(r.Method) {
	case "GET", "HEAD", "OPTIONS", "TRACE":
		return true
	}
	return false
}

var (
	errMethod      = refuse(statusBadRequest, "the request line does not begin with a method")
	errTarget      = refuse(statusBadRequest, "the request target holds what it may not, or is none")
	errAfterTarget = refuse(statusBadRequest, "the request line is not a method, a target and a version with one blank between them")
	errVersion     = refuse(statusVersionUnsupported, "the version is neither HTTP/1.1 nor HTTP/1.0")
	errNoHost      = refuse(statusBadRequest, "the request has no field Host")
	errHost        = refuse(statusBadRequest, "the host is no name or address with an optional port")
	errForward     = refuse(statusBadRequest, "this is not a forward proxy")
	errChunked10   = refuse(statusBadRequest, "an HTTP/1.0 message has Transfer-Encoding, which it does not know")
)

// parse reads a head at the beginning of b and returns its length.
func (r *Request) parse(b []byte, lim *Limits) (int, error) {
	*r = Request{Head: r.empty()}
	i, err := r.parseLine(b, lim)
	if err != nil {
		return 0, err
	}
	n, err := r.parseRest(b, i, lim)
	if err != nil {
		return 0, err
	}
	return n, r.conclude()
}

// parseLine reads the request line (RFC 9112 section 3), which one empty line
// may precede (section 2.2).
func (r *Request) parseLine(b []byte, lim *Limits) (int, error) {
	start := 0
	if len(b) >= 2 && b[0] == '\r' && b[1] == '\n' {
		start = 2
	} else if len(b) == 1 && b[0] == '\r' {
		return 0, errShort
	}
	method := span(b, start, isToken)
	if method == len(b) {
		return 0, r.shortLine(method-start, lim)
	}
	if method == start || b[method] != ' ' {
		return 0, errMethod
	}
	target := span(b, method+1, isTarget)
	if target-start > lim.Line {
		return 0, tooLongLine(lim)
	}
	if target == len(b) {
		return 0, errShort
	}
	if b[target] != ' ' || target == method+1 {
		return 0, badTarget(b[target])
	}
	const version = len("HTTP/1.1\r\n")
	rest := b[target+1:]
	if len(rest) < version && bytes.IndexByte(rest, '\n') < 0 {
		return 0, errShort
	}
	var ok bool
	if r.Minor, ok = parseVersion(rest[:min(len(rest), version-2)]); !ok {
		return 0, badVersion(rest)
	}
	if rest[version-2] != '\r' || rest[version-1] != '\n' {
		return 0, badVersion(rest)
	}
	r.Method, r.Target = b[start:method:method], b[method+1:target:target]
	return target + 1 + version, nil
}

func (r *Request) shortLine(n int, lim *Limits) error {
	if n > lim.Line {
		return tooLongLine(lim)
	}
	return errShort
}

func tooLongLine(lim *Limits) error {
	return refuse(statusURITooLong, "the request line is longer than %d bytes", lim.Line)
}

func badTarget(c byte) error {
	if c == '\r' || c == '\n' {
		return errAfterTarget // HTTP/0.9
	}
	return errTarget
}

// badVersion tells other versions of HTTP from what is none.
func badVersion(rest []byte) error {
	digit := func(i int) bool { return '0' <= rest[i] && rest[i] <= '9' }
	if len(rest) >= 10 && begins(rest, "HTTP/") && digit(5) && rest[6] == '.' && digit(7) && rest[8] == '\r' && rest[9] == '\n' {
		return errVersion
	}
	return errAfterTarget
}

// conclude holds the parts of a request against each other.
func (r *Request) conclude() error {
	if err := r.readTarget(); err != nil {
		return err
	}
	if r.chunked && r.Minor == 0 {
		return errChunked10
	}
	if r.Length = r.length; r.chunked {
		r.Length = Chunked
	}
	return nil
}

// readTarget takes the target apart and checks the host.
func (r *Request) readTarget() error {
	if r.Minor == 1 && !r.has.Has(Host) {
		return errNoHost
	}
	if len(r.host) > 0 && !validAuthority(r.host) {
		return errHost
	}
	r.Authority = r.host
	switch {
	case string(r.Method) == "CONNECT":
		return errForward
	case r.Target[0] == '/':
		r.Path = r.Target
	case string(r.Target) == "*":
		if string(r.Method) != "OPTIONS" {
			return errTarget
		}
		r.Path = r.Target
	default:
		return r.readAbsolute()
	}
	r.cutQuery()
	return nil
}

// readAbsolute reads a target such as http://host/path?query. Its authority
// goes before the field Host (RFC 9112 section 3.2.2).
func (r *Request) readAbsolute() error {
	rest := r.Target
	switch {
	case len(rest) > 7 && is(rest[:7], "http://"):
		rest = rest[7:]
	case len(rest) > 8 && is(rest[:8], "https://"):
		rest = rest[8:]
	default:
		return errTarget
	}
	end := bytes.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	if !validAuthority(rest[:end]) {
		return errHost
	}
	r.Authority, r.Path = rest[:end:end], rest[end:]
	r.cutQuery()
	if len(r.Path) == 0 {
		if r.Path = slash; string(r.Method) == "OPTIONS" && !r.HasQuery {
			r.Path = star // RFC 9112 section 3.2.4
		}
	}
	return nil
}

var slash, star = []byte("/"), []byte("*")

func (r *Request) cutQuery() {
	if i := bytes.IndexByte(r.Path, '?'); i >= 0 {
		r.Path, r.Query, r.HasQuery = r.Path[:i:i], r.Path[i+1:], true
	}
}

// validAuthority tells whether a is a host with an optional port, and nothing in
// it that one reader could take for the end and another not (RFC 9110 section 7.2).
func validAuthority(a []byte) bool {
	var end int
	if len(a) > 0 && a[0] == '[' {
		end = 1
		for end < len(a) && (class[a[end]]&isHex != 0 || a[end] == ':' || a[end] == '.') {
			end++
		}
		if end < 3 || end == len(a) || a[end] != ']' {
			return false
		}
		end++
	} else if end = span(a, 0, isHost); end == 0 {
		return false
	}
	if end == len(a) {
		return true
	}
	port := a[end+1:]
	if a[end] != ':' || len(port) == 0 || len(port) > 5 {
		return false
	}
	for _, c := range port {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
