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
