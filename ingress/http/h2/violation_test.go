package h2

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/ingress/http/hpack"
)

// wire writes frames as a client would that does whatever it likes.
type wire struct {
	b   []byte
	enc hpack.Encoder
}

func newWire() *wire {
	w := &wire{enc: hpack.NewEncoder(hpack.DefaultTableSize)}
	w.b = append(w.b, Preface...)
	w.b = appendSettings(w.b)
	return w
}

func (w *wire) frame(kind frameType, flags uint8, stream uint32, payload string) *wire {
	w.b = append(header{uint32(len(payload)), kind, flags, stream}.append(w.b), payload...)
	return w
}

// block is a header block of names and values.
func (w *wire) block(pairs ...string) string {
	var b []byte
	for _, f := range fields(pairs...) {
		b = w.enc.Append(b, f)
	}
	return string(b)
}

var basic = []string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "example.com"}

// head writes a GET with more fields, ended.
func (w *wire) head(stream uint32, more ...string) *wire {
	return w.frame(typeHeaders, flagEndHeaders|flagEndStream, stream, w.block(append(slices.Clone(basic), more...)...))
}

// post writes a POST with more fields, its body to come.
func (w *wire) post(stream uint32, more ...string) *wire {
	pairs := append(slices.Clone(basic), more...)
	pairs[1] = "POST"
	return w.frame(typeHeaders, flagEndHeaders, stream, w.block(pairs...))
}

func (w *wire) settings(list ...setting) *wire {
	w.b = appendSettings(w.b, list...)
	return w
}

func (w *wire) update(stream, n uint32) *wire {
	w.b = appendWindowUpdate(w.b, stream, n)
	return w
}

func u32(v uint32) string { return string(binary.BigEndian.AppendUint32(nil, v)) }

// verdict feeds a server with a wire, and says how it ended: the code of the
// GOAWAY, that of the first stream that it reset, or nothing.
func verdict(t *testing.T, s *Conn, in []byte) (conn, stream string) {
	t.Helper()
	for {
		ev, n, err := s.Next(in, start)
		in = in[n:]
		if err != nil {
			e := err.(*Error)
			if e.Reason == "" || !strings.Contains(string(s.Output()), e.Reason) {
				t.Errorf("the reason %q is not in the GOAWAY", e.Reason)
			}
			return e.Code.String(), stream
		}
		switch {
		case ev.Kind == None:
			return "", stream
		case ev.Kind == Reset && ev.Ours && stream == "":
			if ev.Reason == "" {
				t.Error("no reason")
			}
			stream = ev.Code.String()
		}
	}
}

// TestViolations: what the other side may not do, and what that costs it: the
// connection, or the stream. The cases follow h2spec and RFC 9113.
func TestViolations(t *testing.T) {
	huge := strings.Repeat("x", maxFrame+1)
	for _, c := range []struct {
		name         string
		make         func(*wire)
		conn, stream string
	}{
		{"3.4 no preface", func(w *wire) { w.b = []byte("GET / HTTP/1.1\r\nhost: x\r\n\r\n") }, "PROTOCOL_ERROR", ""},
		{"3.4 half a preface and more", func(w *wire) { w.b = append([]byte(Preface[:10]), "x"...) }, "PROTOCOL_ERROR", ""},
		{"3.4 no SETTINGS", func(w *wire) { w.b = []byte(Preface); w.head(1) }, "PROTOCOL_ERROR", ""},
		{"3.4 SETTINGS that acknowledge first", func(w *wire) { w.b = []byte(Preface); w.frame(typeSettings, flagAck, 0, "") }, "PROTOCOL_ERROR", ""},
		{"4.1 an unknown frame", func(w *wire) { w.frame(22, 255, 0, "whatever").frame(23, 0, 77, "") }, "", ""},
		{"4.1 an unknown flag", func(w *wire) { w.frame(typePing, 0xfe, 0, "12345678") }, "", ""},
		{"4.1 the reserved bit", func(w *wire) { w.frame(typePing, 0, 1<<31, "12345678") }, "", ""},
		{"4.2 DATA of 16,384 bytes", func(w *wire) { w.post(1).frame(typeData, flagEndStream, 1, huge[:maxFrame]) }, "", ""},
		{"4.2 DATA that is larger", func(w *wire) { w.post(1).frame(typeData, 0, 1, huge) }, "FRAME_SIZE_ERROR", ""},
		{"4.2 HEADERS that are larger", func(w *wire) { w.frame(typeHeaders, flagEndHeaders, 1, huge) }, "FRAME_SIZE_ERROR", ""},
		{"4.3 not HPACK", func(w *wire) { w.frame(typeHeaders, flagEndHeaders, 1, "\x82\xff\xff\xff\xff\xff\xff") }, "COMPRESSION_ERROR", ""},
		{"4.3 PRIORITY in a head", func(w *wire) {
			w.frame(typeHeaders, 0, 1, "\x82").frame(typePriority, 0, 1, "\x00\x00\x00\x03\x00")
		}, "PROTOCOL_ERROR", ""},
		{"4.3 another head in a head", func(w *wire) { w.frame(typeHeaders, 0, 1, "\x82").head(3) }, "PROTOCOL_ERROR", ""},
		{"5.1 idle: DATA", func(w *wire) { w.frame(typeData, 0, 1, "x") }, "PROTOCOL_ERROR", ""},
		{"5.1 idle: RST_STREAM", func(w *wire) { w.frame(typeReset, 0, 1, u32(8)) }, "PROTOCOL_ERROR", ""},
		{"5.1 idle: WINDOW_UPDATE", func(w *wire) { w.update(1, 1) }, "PROTOCOL_ERROR", ""},
		{"5.1 idle: CONTINUATION", func(w *wire) { w.frame(typeContinuation, flagEndHeaders, 1, "") }, "PROTOCOL_ERROR", ""},
		{"5.1 idle: PRIORITY", func(w *wire) { w.frame(typePriority, 0, 1, "\x00\x00\x00\x03\x00").head(1) }, "", ""},
		{"5.1 half closed: DATA", func(w *wire) { w.head(1).frame(typeData, flagEndStream, 1, "x") }, "", "STREAM_CLOSED"},
		{"5.1 half closed: HEADERS", func(w *wire) { w.head(1).head(1) }, "", "STREAM_CLOSED"},
		{"5.1 half closed: CONTINUATION", func(w *wire) { w.head(1).frame(typeContinuation, flagEndHeaders, 1, "") }, "PROTOCOL_ERROR", ""},
		{"5.1 half closed: others", func(w *wire) {
			w.head(1).update(1, 1).frame(typePriority, 0, 1, "\x00\x00\x00\x03\x00").frame(typeReset, 0, 1, u32(8))
		}, "", ""},
		{"5.1 reset: DATA", func(w *wire) { w.post(1).frame(typeReset, 0, 1, u32(8)).frame(typeData, flagEndStream, 1, "x") }, "", "STREAM_CLOSED"},
		{"5.1 reset: HEADERS", func(w *wire) { w.post(1).frame(typeReset, 0, 1, u32(8)).head(1) }, "", "STREAM_CLOSED"},
		{"5.1 reset: others", func(w *wire) {
			w.post(1).frame(typeReset, 0, 1, u32(8)).update(1, 1).frame(typeReset, 0, 1, u32(8)).frame(typePriority, 0, 1, "\x00\x00\x00\x03\x00")
		}, "", ""},
		{"5.1.1 an even stream", func(w *wire) { w.head(2) }, "PROTOCOL_ERROR", ""},
		{"5.1.1 a lower stream", func(w *wire) { w.head(5).head(3) }, "PROTOCOL_ERROR", ""},
		{"5.1.1 stream 0", func(w *wire) { w.head(0) }, "PROTOCOL_ERROR", ""},
		{"5.1.2 too many streams", func(w *wire) {
			for id := uint32(1); id < 10; id += 2 {
				w.head(id)
			}
		}, "", "REFUSED_STREAM"},
		{"5.3.1 HEADERS that depend on themselves", func(w *wire) {
			w.frame(typeHeaders, flagEndHeaders|flagPriority, 1, "\x00\x00\x00\x01\x00"+w.block(basic...))
		}, "PROTOCOL_ERROR", ""},
		{"5.3.1 PRIORITY that depends on itself", func(w *wire) { w.frame(typePriority, 0, 1, "\x00\x00\x00\x01\x00") }, "PROTOCOL_ERROR", ""},
		{"6.1 DATA on stream 0", func(w *wire) { w.frame(typeData, 0, 0, "x") }, "PROTOCOL_ERROR", ""},
		{"6.1 padding as long as it may be", func(w *wire) { w.post(1).frame(typeData, flagPadded|flagEndStream, 1, "\x03\x00\x00\x00") }, "", ""},
		{"6.1 padding longer than the frame", func(w *wire) { w.post(1).frame(typeData, flagPadded, 1, "\x04\x00\x00\x00") }, "PROTOCOL_ERROR", ""},
		{"6.1 no length of the padding", func(w *wire) { w.post(1).frame(typeData, flagPadded, 1, "") }, "FRAME_SIZE_ERROR", ""},
		{"6.2 padding and priority", func(w *wire) {
			w.frame(typeHeaders, flagEndHeaders|flagEndStream|flagPadded|flagPriority, 1, "\x02\x80\x00\x00\x03\xff"+w.block(basic...)+"\x00\x00")
		}, "", ""},
		{"6.2 padding longer than the frame", func(w *wire) { w.frame(typeHeaders, flagEndHeaders|flagPadded, 1, "\x09\x82") }, "PROTOCOL_ERROR", ""},
		{"6.2 priority cut off", func(w *wire) { w.frame(typeHeaders, flagEndHeaders|flagPriority, 1, "\x00\x00") }, "FRAME_SIZE_ERROR", ""},
		{"6.3 PRIORITY on stream 0", func(w *wire) { w.frame(typePriority, 0, 0, "\x00\x00\x00\x01\x00") }, "PROTOCOL_ERROR", ""},
		{"6.3 PRIORITY of four bytes", func(w *wire) { w.head(1).frame(typePriority, 0, 1, "\x80\x00\x00\x01") }, "FRAME_SIZE_ERROR", ""},
		{"6.4 RST_STREAM on stream 0", func(w *wire) { w.frame(typeReset, 0, 0, u32(8)) }, "PROTOCOL_ERROR", ""},
		{"6.4 RST_STREAM of three bytes", func(w *wire) { w.head(1).frame(typeReset, 0, 1, "\x00\x00\x00") }, "FRAME_SIZE_ERROR", ""},
		{"6.5 SETTINGS on a stream", func(w *wire) { w.frame(typeSettings, 0, 1, "") }, "PROTOCOL_ERROR", ""},
		{"6.5 an acknowledgement with settings", func(w *wire) { w.frame(typeSettings, flagAck, 0, "\x00\x00\x00\x00\x00\x00") }, "FRAME_SIZE_ERROR", ""},
		{"6.5 SETTINGS of three bytes", func(w *wire) { w.frame(typeSettings, 0, 0, "\x00\x00\x00") }, "FRAME_SIZE_ERROR", ""},
		{"6.5.2 ENABLE_PUSH 2", func(w *wire) { w.settings(setting{settingPush, 2}) }, "PROTOCOL_ERROR", ""},
		{"6.5.2 a window too great", func(w *wire) { w.settings(setting{settingWindow, 1 << 31}) }, "FLOW_CONTROL_ERROR", ""},
		{"6.5.2 frames too small", func(w *wire) { w.settings(setting{settingFrameSize, maxFrame - 1}) }, "PROTOCOL_ERROR", ""},
		{"6.5.2 frames too large", func(w *wire) { w.settings(setting{settingFrameSize, 1 << 24}) }, "PROTOCOL_ERROR", ""},
		{"6.5.2 an unknown setting", func(w *wire) { w.settings(setting{99, 99}) }, "", ""},
		{"6.5.2 extended CONNECT 2", func(w *wire) { w.settings(setting{settingExtendedConnect, 2}) }, "PROTOCOL_ERROR", ""},
		{"6.5.2 extended CONNECT taken back", func(w *wire) {
			w.settings(setting{settingExtendedConnect, 1}).settings(setting{settingExtendedConnect, 0})
		}, "PROTOCOL_ERROR", ""},
		{"6.6 PUSH_PROMISE", func(w *wire) { w.head(1).frame(typePushPromise, flagEndHeaders, 1, u32(2)+"\x82") }, "PROTOCOL_ERROR", ""},
		{"6.7 PING on a stream", func(w *wire) { w.frame(typePing, 0, 1, "12345678") }, "PROTOCOL_ERROR", ""},
		{"6.7 PING of seven bytes", func(w *wire) { w.frame(typePing, 0, 0, "1234567") }, "FRAME_SIZE_ERROR", ""},
		{"6.7 an answer to no PING", func(w *wire) { w.frame(typePing, flagAck, 0, "12345678") }, "", ""},
		{"6.8 GOAWAY on a stream", func(w *wire) { w.frame(typeGoAway, 0, 1, u32(0)+u32(0)) }, "PROTOCOL_ERROR", ""},
		{"6.8 GOAWAY of seven bytes", func(w *wire) { w.frame(typeGoAway, 0, 0, "1234567") }, "FRAME_SIZE_ERROR", ""},
		{"6.8 GOAWAY, then a request", func(w *wire) { w.frame(typeGoAway, 0, 0, u32(0)+u32(99)+"why").head(1) }, "", ""},
		{"6.9 WINDOW_UPDATE by 0", func(w *wire) { w.update(0, 0) }, "PROTOCOL_ERROR", ""},
		{"6.9 WINDOW_UPDATE by 0 on a stream", func(w *wire) { w.head(1).update(1, 0) }, "", "PROTOCOL_ERROR"},
		{"6.9 WINDOW_UPDATE of three bytes", func(w *wire) { w.frame(typeWindowUpdate, 0, 0, "\x00\x00\x01") }, "FRAME_SIZE_ERROR", ""},
		{"6.9.1 too great a window", func(w *wire) { w.update(0, maxWindow) }, "FLOW_CONTROL_ERROR", ""},
		{"6.9.1 too great a window of a stream", func(w *wire) { w.head(1).update(1, maxWindow) }, "", "FLOW_CONTROL_ERROR"},
		{"6.9.1 more than the window of the stream", func(w *wire) {
			for w.post(1); len(w.b) < 150<<10; {
				w.frame(typeData, 0, 1, huge[:maxFrame])
			}
		}, "", "FLOW_CONTROL_ERROR"},
		{"6.9.1 more than the window of the connection", func(w *wire) {
			for id := uint32(1); id < 40; id += 2 {
				w.post(id)
				for range 8 {
					w.frame(typeData, 0, id, huge[:maxFrame])
				}
			}
		}, "FLOW_CONTROL_ERROR", ""},
		{"6.9.2 SETTINGS make a window too great", func(w *wire) {
			w.head(1).update(1, maxWindow-startWindow).settings(setting{settingWindow, startWindow + 1})
		}, "FLOW_CONTROL_ERROR", ""},
		{"6.10 CONTINUATION", func(w *wire) {
			b := w.block(basic...)
			w.frame(typeHeaders, flagEndStream, 1, b[:1]).frame(typeContinuation, 0, 1, b[1:2]).frame(typeContinuation, flagEndHeaders, 1, b[2:])
		}, "", ""},
		{"6.10 CONTINUATION of another stream", func(w *wire) { w.frame(typeHeaders, 0, 1, "\x82").frame(typeContinuation, 0, 3, "\x84") }, "PROTOCOL_ERROR", ""},
		{"6.10 CONTINUATION on stream 0", func(w *wire) { w.frame(typeHeaders, 0, 1, "\x82").frame(typeContinuation, 0, 0, "\x84") }, "PROTOCOL_ERROR", ""},
		{"6.10 CONTINUATION after DATA", func(w *wire) {
			w.post(1).frame(typeData, 0, 1, "x").frame(typeContinuation, flagEndHeaders, 1, "")
		}, "PROTOCOL_ERROR", ""},
		{"6.10 an unknown frame in a head", func(w *wire) { w.frame(typeHeaders, 0, 1, "\x82").frame(99, 0, 0, "") }, "PROTOCOL_ERROR", ""},
		{"6.10 too many CONTINUATIONs", func(w *wire) {
			w.frame(typeHeaders, 0, 1, "\x82")
			for range 9 {
				w.frame(typeContinuation, 0, 1, "")
			}
		}, "ENHANCE_YOUR_CALM", ""},
		{"6.10 CONTINUATIONs too long", func(w *wire) {
			w.frame(typeHeaders, 0, 1, huge[:maxFrame])
			for range 4 {
				w.frame(typeContinuation, 0, 1, huge[:maxFrame])
			}
		}, "ENHANCE_YOUR_CALM", ""},
		{"7 unknown codes", func(w *wire) { w.head(1).frame(typeReset, 0, 1, u32(255)).frame(typeGoAway, 0, 0, u32(0)+u32(255)) }, "", ""},
		{"8.1 a second head that does not end", func(w *wire) { w.post(1).frame(typeHeaders, flagEndHeaders, 1, w.block("x-a", "1")) }, "", "PROTOCOL_ERROR"},
		{"8.1 trailers", func(w *wire) {
			w.post(1).frame(typeData, 0, 1, "x").frame(typeHeaders, flagEndHeaders|flagEndStream, 1, w.block("x-a", "1"))
		}, "", ""},
		{"8.1 trailers with a pseudo-header field", func(w *wire) {
			w.post(1).frame(typeHeaders, flagEndHeaders|flagEndStream, 1, w.block(":method", "GET"))
		}, "", "PROTOCOL_ERROR"},
		{"8.1 trailers with content-length", func(w *wire) {
			w.post(1).frame(typeHeaders, flagEndHeaders|flagEndStream, 1, w.block("content-length", "0"))
		}, "", "PROTOCOL_ERROR"},
		{"8.1.1 a body shorter than said", func(w *wire) { w.post(1, "content-length", "2").frame(typeData, flagEndStream, 1, "x") }, "", "PROTOCOL_ERROR"},
		{"8.1.1 a body longer than said", func(w *wire) { w.post(1, "content-length", "1").frame(typeData, 0, 1, "xx") }, "", "PROTOCOL_ERROR"},
		{"8.1.1 bodies longer than said", func(w *wire) {
			w.post(1, "content-length", "1").frame(typeData, 0, 1, "x").frame(typeData, flagEndStream, 1, "x")
		}, "", "PROTOCOL_ERROR"},
		{"8.1.1 a body longer than none", func(w *wire) { w.post(1, "content-length", "0").frame(typeData, 0, 1, "x") }, "", "PROTOCOL_ERROR"},
		{"8.1.1 a body that trailers end too early", func(w *wire) {
			w.post(1, "content-length", "2").frame(typeData, 0, 1, "x").frame(typeHeaders, flagEndHeaders|flagEndStream, 1, w.block("x-a", "1"))
		}, "", "PROTOCOL_ERROR"},
		{"8.1.1 no body where one is said", func(w *wire) { w.head(1, "content-length", "1") }, "", "PROTOCOL_ERROR"},
		{"8.1.1 as much as is said, and padding", func(w *wire) {
			w.post(1, "content-length", "3").frame(typeData, flagPadded, 1, "\x02xxxx").frame(typeData, 0, 1, "").frame(typeData, flagEndStream, 1, "x")
		}, "", ""},
	} {
		limits := DefaultLimits()
		limits.Streams = 4
		limits.ConnWindow = 1 << 18
		s, w := NewServer(limits, &Scratch{}), newWire()
		c.make(w)
		if conn, stream := verdict(t, s, w.b); conn != c.conn || stream != c.stream {
			t.Errorf("%s: connection %q, stream %q; want %q, %q", c.name, conn, stream, c.conn, c.stream)
		}
	}
}

// TestOverStreams: frames for a stream that came to its end both ways.
func TestOverStreams(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(*wire)
		conn string
	}{
		{"DATA", func(w *wire) { w.frame(typeData, flagEndStream, 1, "x") }, "STREAM_CLOSED"},
		{"HEADERS", func(w *wire) { w.head(1) }, "STREAM_CLOSED"},
		{"CONTINUATION", func(w *wire) { w.frame(typeContinuation, flagEndHeaders, 1, "") }, "PROTOCOL_ERROR"},
		{"others", func(w *wire) {
			w.update(1, 1).update(1, 0).frame(typeReset, 0, 1, u32(8)).frame(typePriority, 0, 1, "\x00\x00\x00\x03\x00")
		}, ""},
	} {
		s, w := NewServer(DefaultLimits(), &Scratch{}), newWire()
		if conn, _ := verdict(t, s, w.head(1).b); conn != "" {
			t.Fatal(conn)
		}
		if err := s.Respond(1, 204, nil, true); err != nil {
			t.Fatal(err)
		}
		w.b = nil
		c.make(w)
		if conn, _ := verdict(t, s, w.b); conn != c.conn {
			t.Errorf("%s: %q, want %q", c.name, conn, c.conn)
		}
	}
}

// TestFloods: what is cheap to send is not free, and those who mean well are not
// troubled.
func TestFloods(t *testing.T) {
	for _, c := range []struct {
		name  string
		begin func(*wire)
		flood func(w *wire, i uint32)
	}{
		{"rapid reset", nil, func(w *wire, i uint32) { w.head(2*i+1).frame(typeReset, 0, 2*i+1, u32(8)) }},
		{"resets that we are made to send", nil, func(w *wire, i uint32) { w.head(2*i+1).update(2*i+1, 0) }},
		{"heads that are refused", nil, func(w *wire, i uint32) { w.head(2*i+1, "Upper", "") }},
		{"resets of what is over", func(w *wire) { w.head(1) }, func(w *wire, _ uint32) { w.frame(typeReset, 0, 1, u32(8)) }},
		{"PING", nil, func(w *wire, _ uint32) { w.frame(typePing, 0, 0, "12345678") }},
		{"answers to PING", nil, func(w *wire, _ uint32) { w.frame(typePing, flagAck, 0, "12345678") }},
		{"SETTINGS", nil, func(w *wire, _ uint32) { w.settings(setting{settingWindow, 1}) }},
		{"acknowledgements", nil, func(w *wire, _ uint32) { w.frame(typeSettings, flagAck, 0, "") }},
		{"empty DATA", func(w *wire) { w.post(1) }, func(w *wire, _ uint32) { w.frame(typeData, 0, 1, "") }},
		{"padding", func(w *wire) { w.post(1) }, func(w *wire, _ uint32) { w.frame(typeData, flagPadded, 1, "\x00") }},
		{"WINDOW_UPDATE", nil, func(w *wire, _ uint32) { w.update(0, 1) }},
		{"PRIORITY", nil, func(w *wire, _ uint32) { w.frame(typePriority, 0, 1, "\x00\x00\x00\x03\x00") }},
		{"GOAWAY", nil, func(w *wire, _ uint32) { w.frame(typeGoAway, 0, 0, u32(0)+u32(0)) }},
		{"unknown frames", nil, func(w *wire, _ uint32) { w.frame(99, 0, 0, "") }},
	} {
		flood := func(pause time.Duration) error {
			s, w, now := NewServer(DefaultLimits(), &Scratch{}), newWire(), start
			if c.begin != nil {
				c.begin(w)
			}
			for i := range uint32(5000) {
				c.flood(w, i)
				for {
					ev, n, err := s.Next(w.b, now)
					w.b = w.b[n:]
					if err != nil {
						return err
					}
					if ev.Kind == None {
						break
					}
				}
				if s.Wrote(len(s.Output())); pause > 0 {
					now = now.Add(pause)
				}
			}
			return nil
		}
		if err := flood(0); err == nil || err.(*Error).Code != EnhanceYourCalm {
			t.Errorf("%s: 5,000 at once: %v", c.name, err)
		}
		if err := flood(20 * time.Millisecond); err != nil {
			t.Errorf("%s: 50 a second: %v", c.name, err)
		}
	}
}

// TestUnreadResponses: who asks and never reads does not fill the memory.
func TestUnreadResponses(t *testing.T) {
	s, w, answered := NewServer(DefaultLimits(), &Scratch{}), newWire(), 0
	for id := uint32(1); id < 20000; id += 2 {
		w.head(id)
	}
	next := func() {
		for {
			ev, n, err := s.Next(w.b, start)
			if w.b = w.b[n:]; err != nil {
				t.Fatal(err)
			}
			if ev.Kind == None {
				return
			}
			if ev.Kind == Request {
				answered++
				if err := s.Respond(ev.Stream, 200, fields("x-a", strings.Repeat("x", 500)), true); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if next(); !s.Stalled() || len(s.Output()) > DefaultLimits().Output+600 {
		t.Errorf("after %d answers %d bytes wait", answered, len(s.Output()))
	}
	for s.Stalled() {
		s.Wrote(len(s.Output()))
		next()
	}
	if answered != 10000 {
		t.Errorf("%d answers to 10,000 requests", answered)
	}
}

// TestUnreadAnswers: who asks and does not read the answers is cut off, although
// he asks slowly.
func TestUnreadAnswers(t *testing.T) {
	s, w, now := NewServer(DefaultLimits(), &Scratch{}), newWire(), start
	for range 2000 {
		w.frame(typePing, 0, 0, "12345678")
		now = now.Add(time.Second)
		_, n, err := s.Next(w.b, now)
		if w.b = w.b[n:]; err != nil {
			if e := err.(*Error); e.Code != EnhanceYourCalm || len(s.Output()) > 20000 {
				t.Errorf("%v, with %d bytes of output", err, len(s.Output()))
			}
			return
		}
	}
	t.Errorf("2,000 answers wait in %d bytes", len(s.Output()))
}
