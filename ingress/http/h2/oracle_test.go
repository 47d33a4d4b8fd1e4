package h2

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestFramerReadsUs lets golang.org/x/net's Framer read what both sides write.
func TestFramerReadsUs(t *testing.T) {
	limits := DefaultLimits()
	limits.ExtendedConnect = true
	s, c := newPair(t, limits, DefaultLimits())
	big := string(bytes.Repeat([]byte("\x80"), 17000))
	head := get("/x")
	head.Fields = fields("x-big", big)
	var id uint32
	reads := map[*end]*hpack.Decoder{s: hpack.NewDecoder(4096, nil), c: hpack.NewDecoder(4096, nil)}
	for _, step := range []struct {
		name string
		from *end
		do   func()
		want []string
	}{
		{"request", c, func() { id, _ = c.Open(head, false) }, []string{"HEADERS 1 :method=GET :scheme=https :authority=example.com :path=/x x-big=" + big}},
		{"body", c, func() { _, _ = c.Send(id, make([]byte, 20000), true) }, []string{"DATA 1 16384", "DATA 1 3616 end"}},
		{"ping", c, func() { c.Ping([8]byte([]byte("12345678"))) }, []string{"PING 12345678"}},
		{"answer", s, func() { _ = s.Respond(id, 200, fields("server", "x"), false) }, []string{"PING 12345678 ack", "HEADERS 1 :status=200 server=x"}},
		{"trailers", s, func() { _ = s.Trailers(id, fields("x-sum", "1")) }, []string{"HEADERS 1 x-sum=1 end"}},
		{"another", c, func() { id, _ = c.Open(get("/y"), true) }, []string{"HEADERS 3 :method=GET :scheme=https :authority=example.com :path=/y end"}},
		{"empty", s, func() { _ = s.Respond(id, 204, nil, false); _, _ = s.Send(id, nil, true) }, []string{"HEADERS 3 :status=204", "DATA 3 0 end"}},
		{"third", c, func() { id, _ = c.Open(get("/y"), true); c.Reset(id, Cancel) }, []string{"HEADERS 5 :method=GET :scheme=https :authority=example.com :path=/y end", "RST_STREAM 5 CANCEL"}},
		{"update", c, func() { c.giveBack(1 << 19) }, []string{"WINDOW_UPDATE 0 524288"}},
		{"shutdown", s, func() { s.Shutdown() }, []string{"GOAWAY 2147483647 NO_ERROR ", "PING shutdown"}},
		{"goaway", s, func() { s.GoAway(EnhanceYourCalm, "why") }, []string{"GOAWAY 5 ENHANCE_YOUR_CALM why"}},
	} {
		step.do()
		want(t, step.name, frames(t, step.from.Output(), reads[step.from]), step.want...)
		other := s
		if step.from == s {
			other = c
		}
		flush(step.from, other)
		other.read(t, start)
	}
	first := NewServer(limits, &Scratch{})
	want(t, "first", frames(t, first.Output(), nil), "SETTINGS [MAX_CONCURRENT_STREAMS = 250] [INITIAL_WINDOW_SIZE = 131072] [MAX_HEADER_LIST_SIZE = 65536] [ENABLE_CONNECT_PROTOCOL = 1]", "WINDOW_UPDATE 0 983041")
}

// frames are frames as the oracle reads them.
func frames(t *testing.T, b []byte, dec *hpack.Decoder) (out []string) {
	t.Helper()
	fr := http2.NewFramer(nil, bytes.NewReader(b))
	fr.ReadMetaHeaders = dec
	fr.MaxHeaderListSize = 1 << 20
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			if err.Error() != "EOF" {
				t.Errorf("the oracle says: %v", err)
			}
			return out
		}
		line := f.Header().Type.String()
		if id := f.Header().StreamID; id != 0 || f.Header().Type == http2.FrameWindowUpdate {
			line += fmt.Sprint(" ", id)
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			for _, field := range f.Fields {
				line += " " + field.Name + "=" + field.Value
			}
			if f.StreamEnded() {
				line += " end"
			}
		case *http2.DataFrame:
			line += fmt.Sprint(" ", len(f.Data()))
			if f.StreamEnded() {
				line += " end"
			}
		case *http2.PingFrame:
			line += " " + string(f.Data[:])
			if f.IsAck() {
				line += " ack"
			}
		case *http2.SettingsFrame:
			_ = f.ForeachSetting(func(s http2.Setting) error { line += " " + s.String(); return nil })
		case *http2.GoAwayFrame:
			line += fmt.Sprintf(" %d %v %s", f.LastStreamID, f.ErrCode, f.DebugData())
		case *http2.RSTStreamFrame:
			line += " " + f.ErrCode.String()
		case *http2.WindowUpdateFrame:
			line += fmt.Sprint(" ", f.Increment)
		}
		out = append(out, line)
	}
}

// TestWeReadFramer reads what golang.org/x/net's Framer writes.
func TestWeReadFramer(t *testing.T) {
	var b, block bytes.Buffer
	b.WriteString(Preface)
	fr, enc := http2.NewFramer(&b, nil), hpack.NewEncoder(&block)
	head := func(pairs ...string) []byte {
		block.Reset()
		for i := 0; i < len(pairs); i += 2 {
			if err := enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]}); err != nil {
				t.Fatal(err)
			}
		}
		return slices.Clone(block.Bytes())
	}
	first := head(append(slices.Clone(basic), "x-a", "1")...)
	for _, err := range []error{
		fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100}),
		fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: first[:4], PadLength: 7, Priority: http2.PriorityParam{StreamDep: 3, Weight: 9}}),
		fr.WriteContinuation(1, true, first[4:]),
		fr.WriteDataPadded(1, false, []byte("hello"), make([]byte, 9)),
		fr.WritePing(false, [8]byte{}),
		fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head("x-sum", "1"), EndStream: true, EndHeaders: true}),
		fr.WriteWindowUpdate(1, 5),
		fr.WritePriority(5, http2.PriorityParam{StreamDep: 1}),
		fr.WriteRSTStream(1, http2.ErrCodeCancel),
		fr.WriteGoAway(0, http2.ErrCodeNo, []byte("bye")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s := &end{Conn: NewServer(DefaultLimits(), &Scratch{}), in: b.Bytes()}
	want(t, "server", s.read(t, start), "settings 0", "request 1 GET http://example.com/ x-a=1", `data 1 "hello"`,
		"trailers 1 x-sum=1 end", "reset 1 CANCEL", "goaway 0 NO_ERROR")
}

// FuzzFrames holds the reading of frames against the Framer: of frames that are
// whole, and sound by themselves, both see the same.
func FuzzFrames(f *testing.F) {
	f.Add(header{8, typePing, 0, 0}.append(nil))
	f.Add(append(header{4, typeHeaders, flagPadded | flagEndHeaders, 1}.append(nil), 2, 0x82, 0, 0))
	f.Add(append(header{6, typeHeaders, flagPriority | flagEndHeaders, 1}.append(nil), 0, 0, 0, 3, 0, 0x82))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < headerLen {
			return
		}
		h := parseHeader(b)
		if again := h.append(nil); !bytes.Equal(again[:5], b[:5]) || again[5] != b[5]&0x7f || !bytes.Equal(again[6:], b[6:headerLen]) {
			t.Fatalf("%x is written again as %x", b[:headerLen], again)
		}
		if int(h.length) != len(b)-headerLen || h.kind != typeHeaders || h.stream == 0 {
			return
		}
		frame, oracle := http2.NewFramer(nil, bytes.NewReader(b)).ReadFrame()
		payload, err := h.unpad(b[headerLen:])
		if err != nil && err.Reason == "a stream depends on itself" {
			return // we are stricter
		}
		if (err == nil) != (oracle == nil) {
			t.Fatalf("%x: %v, the oracle: %v", b, err, oracle)
		}
		if err == nil && !bytes.Equal(payload, frame.(*http2.HeadersFrame).HeaderBlockFragment()) {
			t.Fatalf("%x: %x, the oracle: %x", b, payload, frame.(*http2.HeadersFrame).HeaderBlockFragment())
		}
	})
}
