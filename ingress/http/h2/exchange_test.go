package h2

import (
	"bytes"
	"slices"
	"testing"
)

// TestExchange is one request with all that can be said.
func TestExchange(t *testing.T) {
	s, c := newPair(t, DefaultLimits(), DefaultLimits())
	head := get("/up?x=1")
	head.Method, head.Fields = []byte("POST"), fields("Content-Type", "text/plain", "connection", "close", "te", "gzip", "cookie", "a=1", "cookie", "b=2", "content-length", "5")
	id, err := c.Open(head, false)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := c.Send(id, []byte("hello"), false); n != 5 || err != nil {
		t.Fatal(n, err)
	}
	if err := c.Trailers(id, fields("X-Sum", "1")); err != nil {
		t.Fatal(err)
	}
	server, _ := exchange(t, s, c)
	want(t, "server", server,
		"request 1 POST https://example.com/up?x=1 content-type=text/plain cookie=a=1; b=2 content-length=5",
		`data 1 "hello"`, "trailers 1 x-sum=1 end")
	s.Consumed(id, 5)
	for _, err := range []error{
		s.Respond(id, 103, fields("link", "</a.css>"), false),
		s.Respond(id, 200, fields("Server", "x"), false),
		s.Respond(id, 200, nil, false), // a second time
	} {
		if err != nil && err != ErrGone {
			t.Fatal(err)
		}
	}
	if n, err := s.Send(id, []byte("bye"), true); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	if _, err := s.Send(id, []byte("more"), true); err != ErrGone {
		t.Errorf("after the end: %v", err)
	}
	_, client := exchange(t, s, c)
	want(t, "client", client, "interim 1 103 link=</a.css>", "response 1 200 server=x", `data 1 "bye" end`)
	if s.Streams() != 0 || c.Streams() != 0 {
		t.Errorf("%d and %d streams are left", s.Streams(), c.Streams())
	}
}

// TestLargeHead needs CONTINUATION frames.
func TestLargeHead(t *testing.T) {
	s, c := newPair(t, DefaultLimits(), DefaultLimits())
	head := get("/")
	big := string(bytes.Repeat([]byte("\x80"), 20000)) // a byte that Huffman makes no shorter
	head.Fields = fields("x-big", big, "x-more", big)
	if _, err := c.Open(head, true); err != nil {
		t.Fatal(err)
	}
	if n := len(c.Output()); n < 40000 {
		t.Fatalf("%d bytes: the head fits fewer frames than the test wants", n)
	}
	server, _ := exchange(t, s, c)
	want(t, "server", server, "request 1 GET https://example.com/ x-big="+big+" x-more="+big+" end")
}

// TestTooLarge: a head over the limit is a request that can be answered, and the
// tables of fields stay the same.
func TestTooLarge(t *testing.T) {
	limits := DefaultLimits()
	limits.HeaderList = 500
	s, c := newPair(t, limits, DefaultLimits())
	large, small := get("/large"), get("/small")
	large.Fields = fields("x-one", "1", "x-big", string(make([]byte, 600)))
	small.Fields = fields("x-one", "1")
	for _, h := range []*Head{large, small} {
		if _, err := c.Open(h, true); err != nil {
			t.Fatal(err)
		}
	}
	server, _ := exchange(t, s, c)
	want(t, "server", server, "request 1  :// too large end", "request 3 GET https://example.com/small x-one=1 end")
	if err := s.Respond(1, 431, nil, true); err != nil {
		t.Fatal(err)
	}
	_, client := exchange(t, s, c)
	want(t, "client", client, "response 1 431 end")
}

// TestWindows: what does not fit waits, and both sides are told of room.
func TestWindows(t *testing.T) {
	small := DefaultLimits()
	small.StreamWindow = 1 << 16
	s, c := newPair(t, small, DefaultLimits())
	head := get("/")
	a, _ := c.Open(head, false)
	b, _ := c.Open(head, false)
	exchange(t, s, c)
	if room := c.Room(a); room != 1<<16 {
		t.Errorf("room for %d bytes", room)
	}
	body := make([]byte, 1<<17)
	n, err := c.Send(a, body, true)
	if n != 1<<16 || err != nil || c.Room(a) != 0 {
		t.Fatalf("%d bytes taken, room for %d more, %v", n, c.Room(a), err)
	}
	if n, _ := c.Send(b, body[:10], true); n != 0 {
		t.Errorf("%d bytes beyond the bound of the output", n)
	}
	flush(c, s)
	want(t, "client, its output written", c.read(t, start), "writable 3")
	got := s.read(t, start)
	flush(s, c)
	want(t, "client, nothing consumed", c.read(t, start))
	if len(got) < 3 || got[len(got)-1][:6] != "data 1" {
		t.Errorf("server: %d events", len(got))
	}
	s.Consumed(a, 1<<15)
	flush(s, c)
	want(t, "client, half consumed", c.read(t, start), "writable 1")
	if room := c.Room(a); room != 1<<15 {
		t.Errorf("room for %d bytes", room)
	}
}

// TestNegativeWindow: SETTINGS can take away more than there is (section 6.9.2).
func TestNegativeWindow(t *testing.T) {
	s, c := newPair(t, DefaultLimits(), DefaultLimits())
	id, _ := c.Open(get("/"), true)
	exchange(t, s, c)
	if err := s.Respond(id, 200, nil, false); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Send(id, make([]byte, 1000), false); n != 1000 || err != nil {
		t.Fatal(n, err)
	}
	setWindow := func(n uint32) { s.in = appendSettings(s.in, setting{settingWindow, n}); s.read(t, start) }
	setWindow(400)
	if n, err := s.Send(id, []byte("x"), false); n != 0 || err != nil || s.streams[id].sendWindow != -600 {
		t.Errorf("%d bytes sent, a window of %d, %v", n, s.streams[id].sendWindow, err)
	}
	s.in = appendWindowUpdate(s.in, id, 600)
	want(t, "at 0", s.read(t, start))
	s.in = appendWindowUpdate(s.in, id, 1)
	want(t, "at 1", s.read(t, start), "writable 1")
	s.Await(id)
	want(t, "asked for", s.read(t, start), "writable 1")
}

// TestTurns: of streams that wait for the window of the connection each gets its
// turn.
func TestTurns(t *testing.T) {
	s, c := newPair(t, DefaultLimits(), DefaultLimits())
	for range 3 {
		id, _ := c.Open(get("/"), true)
		exchange(t, s, c)
		if err := s.Respond(id, 200, nil, false); err != nil {
			t.Fatal(err)
		}
	}
	s.sendWindow = 0
	for id := uint32(1); id < 6; id += 2 {
		s.Await(id)
	}
	var turns []uint32
	for range 6 {
		in := appendWindowUpdate(nil, 0, 100)
		for {
			ev, n, err := s.Next(in, start)
			if err != nil {
				t.Fatal(err)
			}
			if in = in[n:]; ev.Kind == None {
				break
			}
			turns = append(turns, ev.Stream)
			if n, err := s.Send(ev.Stream, make([]byte, 1000), false); n != 100 || err != nil {
				t.Fatal(n, err)
			}
		}
	}
	if want := []uint32{1, 3, 5, 1, 3, 5}; !slices.Equal(turns, want) {
		t.Errorf("turns: %v, want %v", turns, want)
	}
}

// TestShutdown is graceful: who asks before he has heard of it is served.
func TestShutdown(t *testing.T) {
	s, c := newPair(t, DefaultLimits(), DefaultLimits())
	s.Shutdown()
	id, err := c.Open(get("/crossing"), true)
	if err != nil {
		t.Fatal(err)
	}
	flush(c, s)
	want(t, "server", s.read(t, start), "request 1 GET https://example.com/crossing end")
	_, client := exchange(t, s, c)
	want(t, "client", client, "goaway 0 NO_ERROR", "goaway 0 NO_ERROR")
	if _, err := c.Open(get("/"), true); err != ErrGoingAway {
		t.Errorf("a request after GOAWAY: %v", err)
	}
	if s.Done() || c.Done() {
		t.Error("done with a stream open")
	}
	if err := s.Respond(id, 204, nil, true); err != nil {
		t.Fatal(err)
	}
	_, client = exchange(t, s, c)
	want(t, "client", client, "response 1 204 end")
	if !s.Done() || !c.Done() {
		t.Error("not done")
	}
}

// TestRefusedByGoAway: what the server never looked at may be tried elsewhere.
func TestRefusedByGoAway(t *testing.T) {
	s, c := newPair(t, DefaultLimits(), DefaultLimits())
	one, _ := c.Open(get("/1"), true)
	exchange(t, s, c)
	s.GoAway(NoError, "maintenance")
	for range 2 {
		if _, err := c.Open(get("/2"), true); err != nil {
			t.Fatal(err)
		}
	}
	server, client := exchange(t, s, c)
	want(t, "server", server)
	want(t, "client", client, "goaway 0 NO_ERROR", "reset 3 REFUSED_STREAM", "reset 5 REFUSED_STREAM")
	if err := s.Respond(one, 200, nil, true); err != nil {
		t.Fatal(err)
	}
	_, client = exchange(t, s, c)
	want(t, "client", client, "response 1 200 end")
}

// TestEarlyAnswer: the rest of a request that nobody wants is dropped, and opens
// the window of the connection all the same.
func TestEarlyAnswer(t *testing.T) {
	s, c := newPair(t, DefaultLimits(), DefaultLimits())
	for range 40 { // more than the window of the connection together
		id, err := c.Open(get("/"), false)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := c.Send(id, make([]byte, 60000), false); n != 60000 || err != nil {
			t.Fatal(n, err)
		}
		server, _ := exchange(t, s, c)
		if len(server) < 2 {
			t.Fatal(server)
		}
		if err := s.Respond(id, 413, nil, true); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Send(id, []byte("under way"), true); err != nil {
			t.Fatal(err)
		}
		s.Reset(id, NoError)
		if _, client := exchange(t, s, c); len(client) != 1 {
			t.Fatal(client)
		}
	}
	if s.Streams() != 0 || c.Streams() != 0 {
		t.Errorf("%d and %d streams are left", s.Streams(), c.Streams())
	}
}

// TestConnect: a tunnel, plain and extended.
func TestConnect(t *testing.T) {
	limits := DefaultLimits()
	limits.ExtendedConnect = true
	s, c := newPair(t, limits, DefaultLimits())
	if !c.ExtendedConnect() {
		t.Error("the client does not know of extended CONNECT")
	}
	plain := &Head{Method: []byte("CONNECT"), Authority: []byte("example.com:443")}
	socket := get("/chat")
	socket.Method, socket.Protocol = []byte("CONNECT"), []byte("websocket")
	for _, h := range []*Head{plain, socket} {
		id, err := c.Open(h, false)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := c.Send(id, []byte("up"), false); n != 2 || err != nil {
			t.Fatal(n, err)
		}
	}
	server, _ := exchange(t, s, c)
	want(t, "server", server, "request 1 CONNECT ://example.com:443", `data 1 "up"`,
		"request 3 CONNECT https://example.com/chat protocol websocket", `data 3 "up"`)
	if err := s.Respond(3, 200, nil, false); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Send(3, []byte("down"), false); n != 4 || err != nil {
		t.Fatal(n, err)
	}
	_, client := exchange(t, s, c)
	want(t, "client", client, "response 3 200", `data 3 "down"`)
}

// TestBusy: no more streams than the server allows.
func TestBusy(t *testing.T) {
	limits := DefaultLimits()
	limits.Streams = 2
	s, c := newPair(t, limits, DefaultLimits())
	for range 2 {
		if _, err := c.Open(get("/"), true); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Open(get("/"), true); err != ErrBusy || c.CanOpen() != 0 {
		t.Errorf("a third stream: %v, %d may be opened", err, c.CanOpen())
	}
	c.Reset(1, Cancel)
	if c.CanOpen() != 1 {
		t.Errorf("%d may be opened", c.CanOpen())
	}
	server, _ := exchange(t, s, c)
	want(t, "server", server, "request 1 GET https://example.com/ end", "request 3 GET https://example.com/ end", "reset 1 CANCEL")
}

// TestPing and its answer, and memory that is lent.
func TestPing(t *testing.T) {
	s, c := newPair(t, DefaultLimits(), DefaultLimits())
	memory := make([]byte, 0, 100)
	c.Reclaim()
	if !c.Lend(memory) {
		t.Error("memory is not taken")
	}
	c.Ping([8]byte([]byte("12345678")))
	if c.Lend(memory) || c.Reclaim() != nil || &c.Output()[0] != &memory[:1][0] {
		t.Error("the output does not use the memory, or gives it away")
	}
	_, client := exchange(t, s, c)
	want(t, "client", client, `pong 0 "12345678"`)
	if got := c.Reclaim(); cap(got) != 100 {
		t.Errorf("memory of %d bytes comes back", cap(got))
	}
}

// TestOutputStays: what a driver has begun to write is not touched by what is said
// meanwhile.
func TestOutputStays(t *testing.T) {
	c := NewClient(DefaultLimits(), &Scratch{})
	begun := c.Output()
	before := bytes.Clone(begun)
	for i := range 20 {
		head := get("/")
		head.Fields = fields("x-long", string(text(uint32(i), 0, 40<<10))) // more than a frame
		id, err := c.Open(head, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Send(id, text(id, 0, 1000), false); err != nil {
			t.Fatal(err)
		}
		c.Reset(id, Cancel)
		if !bytes.Equal(begun, before) {
			t.Fatalf("it changed after %d streams", i+1)
		}
	}
	if !bytes.HasPrefix(c.Output(), before) {
		t.Error("the output begins with something else")
	}
}
