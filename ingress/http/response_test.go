package http

import (
	"strings"
	"testing"
)

// answers are what backends send.
var answers = map[string]string{
	"counted":     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nKeep-Alive: 5\r\n\r\nhello",
	"chunked":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 7\r\nServer: s\r\nContent-Length: 9\r\n\r\n",
	"until close": "HTTP/1.1 200 OK\r\n\r\nhello",
	"HTTP/1.0":    "HTTP/1.0 200 OK\r\n\r\nhello",
	"no reason":   "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n",
	"204":         "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
	"304":         "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
	"hints":       "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
	"closing":     "HTTP/1.1 200 OK\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nContent-Length: 2\r\n\r\nhi",
	"upgrade me":  "HTTP/1.1 426 Upgrade Required\r\nConnection: upgrade\r\nUpgrade: foo\r\nContent-Length: 0\r\n\r\n",
	"999":         "HTTP/1.1 999 Go away\r\nContent-Length: 0\r\n\r\n",
	"kept by 1.0": "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
}

// relay passes an answer on to a client that asked by first line and fields.
func relay(t *testing.T, ask, in string, step int) (out string, onward, reusable bool, err error) {
	t.Helper()
	s, c := NewServer(DefaultLimits()), NewClient(DefaultLimits())
	var req Request
	if _, err := s.Next([]byte(ask), &req); err != nil {
		t.Fatal(err)
	}
	if p, err := s.Next(nil, &req); p.Kind != End || err != nil {
		t.Fatal(p, err)
	}
	c.AppendRequest(nil, &req, slash, 0)
	var res Response
	var down []byte
	ended := false
	_, err = feed(in, step, func(b []byte) (Piece, error) { return c.Next(b, &res) }, func(p Piece) {
		switch p.Kind {
		case GotHead:
			if !res.Interim() || s.TakesInterim() {
				down = EndHead(s.AppendResponse(down, &res, SetOf(Date)))
			}
		case Data:
			down = s.AppendData(down, p.Data)
		case End:
			ended = true
			down = s.AppendEnd(down, res.Trailers)
		}
	})
	if err == nil && !ended && !c.Switched() {
		if err = c.EOF(); err == nil {
			down = s.AppendEnd(down, nil)
		}
	}
	return string(down), s.Finish(), c.Reusable(), err
}

func TestResponses(t *testing.T) {
	const get, head, old, oldKeep = "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
	const closing = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	for _, c := range []struct {
		ask, name, want  string
		onward, reusable bool
	}{
		{get, "counted", lines("HTTP/1.1 200 OK", "Content-Length: 5", "") + "hello", true, true},
		{closing, "counted", lines("HTTP/1.1 200 OK", "Content-Length: 5", "Connection: close", "") + "hello", false, true},
		{old, "counted", lines("HTTP/1.1 200 OK", "Content-Length: 5", "Connection: close", "") + "hello", false, true},
		{oldKeep, "counted", lines("HTTP/1.1 200 OK", "Content-Length: 5", "Connection: keep-alive", "") + "hello", true, true},
		{get, "chunked", lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "5", "hello", "0", "X-Sum: 7", "Server: s", ""), true, true},
		{oldKeep, "chunked", lines("HTTP/1.1 200 OK", "Connection: close", "") + "hello", false, true},
		{get, "until close", lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "5", "hello", "0", ""), true, false},
		{oldKeep, "until close", lines("HTTP/1.1 200 OK", "Connection: close", "") + "hello", false, false},
		{get, "HTTP/1.0", lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "5", "hello", "0", ""), true, false},
		{get, "no reason", lines("HTTP/1.1 404 ", "Content-Length: 0", ""), true, true},
		{get, "204", lines("HTTP/1.1 204 No Content", ""), true, true},
		{get, "304", lines("HTTP/1.1 304 Not Modified", "Content-Length: 5", ""), true, true},
		{get, "hints", lines("HTTP/1.1 103 Early Hints", "Link: </x>", "", "HTTP/1.1 200 OK", "Content-Length: 2", "") + "hi", true, true},
		{oldKeep, "hints", lines("HTTP/1.1 200 OK", "Content-Length: 2", "Connection: keep-alive", "") + "hi", true, true},
		{get, "closing", lines("HTTP/1.1 200 OK", "Content-Length: 2", "") + "hi", true, false},
		{get, "upgrade me", lines("HTTP/1.1 426 Upgrade Required", "Content-Length: 0", "Connection: upgrade", "Upgrade: foo", ""), true, true},
		{get, "999", lines("HTTP/1.1 999 Go away", "Content-Length: 0", ""), true, true},
		{get, "kept by 1.0", lines("HTTP/1.1 200 OK", "Content-Length: 2", "") + "hi", true, true},
	} {
		got, onward, reusable, err := relay(t, c.ask, answers[c.name], 100)
		if got != c.want || onward != c.onward || reusable != c.reusable || err != nil {
			t.Errorf("%s to %q:\n got %q, %t, %t, %v\nwant %q, %t, %t", c.name, c.ask, got, onward, reusable, err, c.want, c.onward, c.reusable)
		}
	}
	for _, c := range [][2]string{
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"},
	} {
		if got, onward, reusable, err := relay(t, head, c[0], 1); got != c[1] || !onward || !reusable || err != nil {
			t.Errorf("%q to HEAD: %q, %t, %t, %v", c[0], got, onward, reusable, err)
		}
	}
}

// TestSwitch: both sides hand over when the backend agrees, and not before.
func TestSwitch(t *testing.T) {
	const ask = "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
	const yes = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"
	got, onward, reusable, err := relay(t, ask, yes, 1)
	want := lines("HTTP/1.1 101 Switching Protocols", "Sec-WebSocket-Accept: x", "Connection: upgrade", "Upgrade: websocket", "")
	if got != want || onward || reusable || err != nil {
		t.Errorf("%q, %t, %t, %v", got, onward, reusable, err)
	}
	if _, _, _, err := relay(t, ask, "HTTP/1.1 101 Switching Protocols\r\n\r\n", 1); status(err) != 502 {
		t.Errorf("a switch to nothing: %v", err)
	}
	if _, onward, reusable, err := relay(t, ask, answers["counted"], 1); !onward || !reusable || err != nil {
		t.Errorf("a backend that does not switch: %t, %t, %v", onward, reusable, err)
	}
}

// TestBrokenOff: an answer that ends too early is no answer.
func TestBrokenOff(t *testing.T) {
	for _, in := range []string{"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", answers["chunked"][:60], "HTTP/1.1 103 Early Hints\r\n\r\n"} {
		if _, onward, reusable, err := relay(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", in, 7); status(err) != 502 || onward || reusable {
			t.Errorf("%q: %t, %t, %v", in, onward, reusable, err)
		}
	}
}

func TestAnswer(t *testing.T) {
	for ask, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n":  "503 Service Unavailable: nobody is there\n",
		"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n": "",
	} {
		s := NewServer(DefaultLimits())
		var r Request
		for range 2 {
			if _, err := s.Next([]byte(ask), &r); err != nil {
				t.Fatal(err)
			}
		}
		got := string(s.AppendAnswer(nil, (&Error{503, "nobody is there"}).Answer(), AppendField(nil, "Retry-After", "1")))
		head, body, _ := strings.Cut(got, "\r\n\r\n")
		if body != want || !strings.HasPrefix(head, "HTTP/1.1 503 Service Unavailable\r\n") || !strings.Contains(head, "\r\nContent-Length: 41\r\n") || !strings.HasSuffix(head, "\r\nRetry-After: 1") {
			t.Errorf("%q", got)
		}
		if !s.Finish() {
			t.Error("the connection does not go on")
		}
	}
}

// TestFinishTooEarly: with a request or a response unfinished, nothing that
// follows on the connection would mean what it says.
func TestFinishTooEarly(t *testing.T) {
	s := NewServer(DefaultLimits())
	var r Request
	if _, err := s.Next([]byte(post("Content-Length: 5\r\n", "")), &r); err != nil {
		t.Fatal(err)
	}
	s.AppendAnswer(nil, (&Error{413, "too much"}).Answer(), nil)
	if s.Finish() {
		t.Error("the rest of a body is read as a request")
	}
	if p, err := s.Next([]byte(hidden), &r); p.Kind != More || p.Used != 0 || err != nil {
		t.Errorf("something is read: %+v, %v", p, err)
	}
}

// TestBeside: bytes that a driver carries past the machines, as by splicing, are
// bytes of the body, no more than there are, and the next message is read right.
func TestBeside(t *testing.T) {
	s, c := NewServer(DefaultLimits()), NewClient(DefaultLimits())
	var req Request
	var res Response
	next := func(wantServer, wantClient int64) {
		t.Helper()
		if got := [2]int64{s.Bulk(), c.Bulk()}; got != [2]int64{wantServer, wantClient} {
			t.Errorf("%d bytes may go past the machines, want %d and %d", got, wantServer, wantClient)
		}
	}
	next(0, 0)
	if _, err := s.Next([]byte(post("Content-Length: 100\r\n", "")), &req); err != nil {
		t.Fatal(err)
	}
	c.AppendRequest(nil, &req, slash, 0)
	next(100, 0)
	s.Skip(60)
	c.Passed(60)
	next(40, 0)
	s.Skip(40)
	c.Passed(40)
	if p, err := s.Next([]byte(hidden), &req); p.Kind != End || p.Used != 0 || err != nil {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := c.Next([]byte("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"), &res); err != nil {
		t.Fatal(err)
	}
	s.AppendResponse(nil, &res, 0)
	next(0, 7)
	c.Skip(7)
	s.Passed(7)
	if p, err := c.Next(nil, &res); p.Kind != End || err != nil {
		t.Errorf("%+v, %v", p, err)
	}
	if !s.Plain() || !c.Plain() || !s.Finish() || !c.Reusable() {
		t.Error("the connections do not go on")
	}
	if _, err := s.Next([]byte(post("Transfer-Encoding: chunked\r\n", "")), &req); err != nil {
		t.Fatal(err)
	}
	c.AppendRequest(nil, &req, slash, 0)
	if next(0, 0); c.Plain() {
		t.Error("chunks are plain")
	}
}
