package h2

import (
	"testing"
	"time"
)

// drive lets a connection read any bytes in pieces, and a driver that answers
// whatever comes; it checks what has to hold at any time.
func drive(t *testing.T, c *Conn, in []byte, step int) {
	limits := c.limits
	var rest []byte
	now, open := start, map[uint32]bool{}
	for len(in) > 0 {
		n := min(step, len(in))
		rest, in = append(rest, in[:n]...), in[n:]
		for {
			ev, n, err := c.Next(rest, now)
			if n > len(rest) {
				t.Fatalf("%d of %d bytes read", n, len(rest))
			}
			switch ev.Kind {
			case Request, Response:
				if open[ev.Stream] {
					t.Fatalf("stream %d begins twice", ev.Stream)
				}
				open[ev.Stream] = true
				_ = c.Respond(ev.Stream, 200, ev.Head.Fields, false)
				_, _ = c.Send(ev.Stream, make([]byte, int(ev.Stream%7)*9000), ev.End)
			case Data:
				if !open[ev.Stream] {
					t.Fatalf("DATA on stream %d", ev.Stream)
				}
				if len(ev.Data)%3 == 0 {
					c.Consumed(ev.Stream, len(ev.Data))
				}
			case Writable:
				_, _ = c.Send(ev.Stream, make([]byte, 1000), true)
			case Reset:
				delete(open, ev.Stream)
			}
			if ev.End {
				delete(open, ev.Stream)
			}
			rest = rest[n:]
			if err != nil {
				return
			}
			if c.Stalled() {
				c.Wrote(len(c.Output()))
			} else if ev.Kind == None {
				break
			}
		}
		if len(rest) > headerLen+maxFrame {
			t.Fatalf("%d bytes are left unread", len(rest))
		}
		if most := limits.Output + limits.Answers*64 + int(limits.Streams)*(limits.HeaderList+64); len(c.Output()) > most {
			t.Fatalf("%d bytes of output", len(c.Output()))
		}
		if c.Streams() > int(limits.Streams) || len(c.waiting) > c.Streams() || len(c.resets.list) > int(limits.Streams) ||
			len(c.part.text) > limits.HeaderBlock || c.recvWindow < 0 || c.recvWindow+c.owed > int64(limits.ConnWindow) {
			t.Fatalf("%d streams, %d waiting, %d resets, %d bytes of a head, a window of %d and %d", c.Streams(), len(c.waiting),
				len(c.resets.list), len(c.part.text), c.recvWindow, c.owed)
		}
		now = now.Add(time.Millisecond)
		if len(in)%2 == 0 {
			c.Wrote(len(c.Output()) / 2)
		}
	}
}

// tight are limits that a few bytes reach.
func tight() Limits {
	l := DefaultLimits()
	l.Streams, l.HeaderList, l.HeaderBlock, l.Output, l.Answers = 4, 500, 600, 5000, 20
	return l
}

// FuzzServer: whatever comes, a server does not panic and stays in bounds. Bytes
// after a sound beginning get further than those that have to guess it.
func FuzzServer(f *testing.F) {
	w := newWire()
	w.post(1, "content-length", "5").frame(typeData, flagPadded, 1, "\x02hel\x00\x00").update(1, 9).settings(setting{settingWindow, 7})
	w.frame(typeData, flagEndStream, 1, "lo").head(3).frame(typeReset, 0, 3, u32(8)).frame(typePing, 0, 0, "12345678").head(5).head(7).head(9).head(11)
	f.Add(w.b[len(Preface):], uint16(7))
	w = newWire()
	b := w.block(basic...)
	w.frame(typeHeaders, 0, 1, b[:3]).frame(typeContinuation, flagEndHeaders, 1, b[3:]).frame(typeGoAway, 0, 0, u32(0)+u32(0)+"x")
	w.frame(typeHeaders, flagEndHeaders|flagEndStream, 1, w.block("x-sum", "1")).update(0, 1<<20)
	f.Add(w.b[len(Preface):], uint16(1000))
	f.Fuzz(func(t *testing.T, in []byte, step uint16) {
		c := NewServer(tight(), &Scratch{})
		drive(t, c, append([]byte(Preface), in...), int(step)+1)
	})
}

// FuzzClient: the same, of a client with two requests under way.
func FuzzClient(f *testing.F) {
	w := newWire()
	w.b = appendSettings(nil, setting{settingStreams, 9})
	w.frame(typeHeaders, flagEndHeaders, 1, w.block(":status", "103")).frame(typeHeaders, flagEndHeaders, 1, w.block(":status", "200", "content-length", "2"))
	w.frame(typeData, flagEndStream, 1, "hi").frame(typeReset, 0, 3, u32(7)).frame(typeGoAway, 0, 0, u32(1)+u32(0)).update(0, 9)
	f.Add(w.b, uint16(9))
	f.Fuzz(func(t *testing.T, in []byte, step uint16) {
		c := NewClient(tight(), &Scratch{})
		for range 2 {
			id, err := c.Open(get("/"), false)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = c.Send(id, make([]byte, 4000), false)
		}
		drive(t, c, in, int(step)+1)
	})
}
