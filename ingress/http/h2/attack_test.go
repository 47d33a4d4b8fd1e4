package h2

import (
	"strings"
	"testing"
	"time"
)

// TestManyCookies: as many as the limit of a head has room for become one.
func TestManyCookies(t *testing.T) {
	s, w := &end{Conn: NewServer(DefaultLimits(), &Scratch{})}, newWire()
	value := strings.Repeat("c", 34)
	pairs := append([]string{}, basic...)
	for range 900 {
		pairs = append(pairs, "cookie", value)
	}
	s.in = w.frame(typeHeaders, flagEndHeaders|flagEndStream, 1, w.block(pairs...)).b
	want(t, "server", s.read(t, start), "settings 0",
		"request 1 GET http://example.com/ cookie="+strings.TrimSuffix(strings.Repeat(value+"; ", 900), "; ")+" end")
}

// TestSlowReader: who asks now and then while a long body is read slowly is not
// taken for one who never reads, although there is always something left.
func TestSlowReader(t *testing.T) {
	s, w, now := NewServer(DefaultLimits(), &Scratch{}), newWire(), start
	w.settings(setting{settingWindow, maxWindow}).update(0, maxWindow-startWindow).head(1)
	for i := range 5000 {
		now = now.Add(time.Second)
		for {
			ev, n, err := s.Next(w.b, now)
			w.b = w.b[n:]
			if err != nil {
				t.Fatalf("after %d PINGs: %v", i, err)
			}
			if ev.Kind == Request {
				if err := s.Respond(1, 200, nil, false); err != nil {
					t.Fatal(err)
				}
			}
			if ev.Kind == Request || ev.Kind == Writable {
				if _, err := s.Send(1, make([]byte, 1<<17), false); err != nil {
					t.Fatal(err)
				}
			}
			if ev.Kind == None {
				break
			}
		}
		if s.Wrote(1000); len(s.Output()) == 0 {
			t.Fatal("nothing is left to be written")
		}
		w.frame(typePing, 0, 0, "12345678")
	}
}

// TestStalledForRoom: a driver that wrote all there was knows that there is more
// before it reads, for the other side may have nothing to say.
func TestStalledForRoom(t *testing.T) {
	s, c := newPair(t, DefaultLimits(), DefaultLimits())
	id, _ := c.Open(get("/"), true)
	exchange(t, s, c)
	s.sendWindow, s.streams[id].sendWindow = maxWindow, maxWindow
	if err := s.Respond(id, 200, nil, false); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Send(id, make([]byte, 1<<17), true); n == 1<<17 || err != nil {
		t.Fatal(n, err)
	}
	if s.Stalled() {
		t.Error("stalled before anything is written")
	}
	if s.Wrote(len(s.Output())); !s.Stalled() {
		t.Error("a driver would read, and wait for ever")
	}
	want(t, "server", s.read(t, start), "writable 1")
	if s.Stalled() {
		t.Error("still stalled")
	}
}

// TestManyCancelled: answers that come for streams that we reset are no fault of
// the server, who has many other clients' streams on the connection.
func TestManyCancelled(t *testing.T) {
	patient := DefaultLimits()
	patient.Resets.Burst = 1 << 20
	s, c := newPair(t, patient, DefaultLimits())
	for range 2000 {
		id, err := c.Open(get("/"), true)
		if err != nil {
			t.Fatal(err)
		}
		flush(c, s)
		s.read(t, start)
		c.Reset(id, Cancel)
		if err := s.Respond(id, 200, nil, false); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if n, err := s.Send(id, []byte("piece"), false); n != 5 || err != nil {
				t.Fatal(n, err)
			}
		}
		if err := s.Trailers(id, fields("grpc-status", "0")); err != nil {
			t.Fatal(err)
		}
		flush(s, c)
		want(t, "client", c.read(t, start))
		flush(c, s)
		s.read(t, start)
	}
	if c.recvWindow+c.Conn.owed != int64(c.limits.ConnWindow) {
		t.Error("the window of the connection is not what it was")
	}
}

// TestHostileServer: what costs a server nothing is not free.
func TestHostileServer(t *testing.T) {
	for _, x := range []struct {
		name  string
		begin func(c *end)
		flood func(c *end)
	}{
		{"DATA after its RST_STREAM", func(c *end) { c.in = appendReset(c.in, 1, Cancel) }, func(c *end) { c.in = header{0, typeData, 0, 1}.append(c.in) }},
		{"empty DATA after ours", func(c *end) { c.Reset(1, Cancel) }, func(c *end) { c.in = header{0, typeData, 0, 1}.append(c.in) }},
		{"DATA after ours beyond the window", func(c *end) { c.Reset(1, Cancel) }, func(c *end) {
			c.in = append(header{100, typeData, 0, 1}.append(c.in), make([]byte, 100)...)
		}},
	} {
		s, c := newPair(t, DefaultLimits(), DefaultLimits())
		if _, err := c.Open(get("/"), false); err != nil {
			t.Fatal(err)
		}
		flush(c, s)
		x.begin(c)
		for range 5000 {
			x.flood(c)
			c.read(t, start)
			c.Wrote(len(c.Output()))
		}
		if _, _, err := c.Next(nil, start); err == nil || err.(*Error).Code != EnhanceYourCalm {
			t.Errorf("%s, 5,000 at once: %v", x.name, err)
		}
	}
}

// TestHasty: a client may open more streams, with bodies, than are allowed before
// it hears how many are. It loses those, and not the connection.
func TestHasty(t *testing.T) {
	limits := DefaultLimits()
	limits.Streams = 2
	s, w := NewServer(limits, &Scratch{}), newWire()
	for id := uint32(1); id < 200; id += 2 {
		w.post(id)
	}
	for id := uint32(1); id < 200; id += 2 {
		w.frame(typeData, flagEndStream, id, "x")
	}
	if conn, stream := verdict(t, s, w.b); conn != "" || stream != "REFUSED_STREAM" || s.Streams() != 2 {
		t.Errorf("connection %q, stream %q, %d streams", conn, stream, s.Streams())
	}
}

// TestTableSizeTwice: of two table sizes in one SETTINGS the other side is told of
// the smaller too (RFC 7541 section 4.2), and what was in the table is gone.
func TestTableSizeTwice(t *testing.T) {
	s, c := newPair(t, DefaultLimits(), DefaultLimits())
	s.in = appendSettings(s.in, setting{settingTableSize, 0}, setting{settingTableSize, 4096})
	want(t, "server", s.read(t, start), "settings 0")
	s.Wrote(len(s.Output()))
	id, _ := c.Open(get("/"), true)
	flush(c, s)
	s.read(t, start)
	if err := s.Respond(id, 200, nil, true); err != nil {
		t.Fatal(err)
	}
	if got := string(s.Output()[headerLen:]); got != "\x20\x3f\xe1\x1f\x88" {
		t.Errorf("the head is %x", got)
	}
}
