package h2

import (
	"slices"
	"strings"
	"testing"

	"github.com/steelyard-lb/steelyard/ingress/http/hpack"
)

// head makes the head of a request from names and values.
func request(extended bool, pairs ...string) (*Head, string) {
	h := &Head{}
	f := &hpack.Fields{List: fields(pairs...)}
	return h, h.request(f, extended)
}

// TestRequests: what is malformed (RFC 9113 section 8), and above all what would
// become another request, or two, when it is written as HTTP/1.1.
func TestRequests(t *testing.T) {
	with := func(more ...string) []string { return append(slices.Clone(basic), more...) }
	but := func(name, value string) (out []string) {
		for i := 0; i < len(basic); i += 2 {
			switch {
			case basic[i] != name:
				out = append(out, basic[i], basic[i+1])
			case value != "-":
				out = append(out, name, value)
			}
		}
		return out
	}
	for _, c := range []struct {
		name  string
		pairs []string
		why   string // a part of it; "": taken
	}{
		{"plain", basic, ""},
		{"all that may be", with("accept", "*/*", "x-y_z", "\xe4\t1", "te", "trailers", "content-length", "0", "cookie", "a=b"), ""},
		{"an empty value", with("x-a", ""), ""},

		{"no :method", but(":method", "-"), "no :method"},
		{"no :scheme", but(":scheme", "-"), "no :scheme"},
		{"no :path", but(":path", "-"), "no :path"},
		{"no authority", but(":authority", "-"), "authority"},
		{"host for :authority", append(but(":authority", "-"), "host", "a.example"), ""},
		{"empty :method", but(":method", ""), "empty"},
		{"empty :path", but(":path", ""), "empty"},
		{"empty :authority", but(":authority", ""), "empty"},
		{":method twice", append([]string{":method", "GET"}, basic...), "twice"},
		{":path twice", append([]string{":path", "/"}, basic...), "twice"},
		{":scheme twice", append([]string{":scheme", "http"}, basic...), "twice"},
		{":authority twice", append([]string{":authority", "example.com"}, basic...), "twice"},
		{"an unknown one", append([]string{":test", "x"}, basic...), "there is not"},
		{":status", append([]string{":status", "200"}, basic...), "status"},
		{"after others", []string{":method", "GET", ":scheme", "http", "x-a", "1", ":path", "/", ":authority", "x"}, "after others"},
		{":protocol without the setting", append([]string{":protocol", "websocket"}, but(":method", "CONNECT")...), ":protocol"},

		{"upper case", with("X-A", "1"), "upper-case"},
		{"no name", with("", "1"), "no name"},
		{"a blank in a name", with("x a", "1"), "name"},
		{"a colon in a name", with("x:a", "1"), "name"},
		{"a line end in a name", with("x-a: 1\r\ntransfer-encoding", "chunked"), "name"},
		{"NUL in a name", with("x\x00", "1"), "name"},
		{"a name beyond ASCII", with("x-\xe4", "1"), "name"},
		{"CR LF in a value", with("x-a", "1\r\ntransfer-encoding: chunked"), "value"},
		{"LF in a value", with("x-a", "1\ntransfer-encoding: chunked"), "value"},
		{"CR in a value", with("x-a", "1\rx"), "value"},
		{"NUL in a value", with("x-a", "12345678\x00"), "value"},
		{"a control in a value", with("x-a", "1234567\x01"), "value"},
		{"DEL in a value", with("x-a", "\x7f"), "value"},
		{"a blank before a value", with("x-a", " 1"), "value"},
		{"a blank after a value", with("x-a", "1\t"), "value"},
		{"two requests in a value", with("x-a", "1\r\n\r\nGET /admin HTTP/1.1\r\nhost: x"), "value"},

		{"connection", with("connection", "close"), "HTTP/1.1"},
		{"proxy-connection", with("proxy-connection", "close"), "HTTP/1.1"},
		{"keep-alive", with("keep-alive", "1"), "HTTP/1.1"},
		{"transfer-encoding", with("transfer-encoding", "chunked"), "HTTP/1.1"},
		{"upgrade", with("upgrade", "h2c"), "HTTP/1.1"},
		{"te", with("te", "trailers, deflate"), "te"},
		{"content-length twice", with("content-length", "1", "content-length", "1"), "twice"},
		{"content-length as a list", with("content-length", "1, 1"), "content-length"},
		{"content-length with a sign", with("content-length", "+1"), "content-length"},
		{"content-length below 0", with("content-length", "-1"), "content-length"},
		{"content-length in hexadecimal", with("content-length", "0x10"), "content-length"},
		{"content-length too great", with("content-length", "9999999999999999999"), "content-length"},
		{"content-length of nothing", with("content-length", ""), "content-length"},
		{"content_length", with("content_length", "1"), "underscore"},
		{"transfer_encoding", with("transfer_encoding", "chunked"), "underscore"},

		{"host as :authority", with("host", "EXAMPLE.com"), ""},
		{"another host", with("host", "admin.example"), "differ"},
		{"an empty host", with("host", ""), "differ"},
		{"host twice", with("host", "example.com", "host", "example.com"), "twice"},
		{"a user", but(":authority", "user@example.com"), "authority"},
		{"a path in the authority", but(":authority", "example.com/x"), "authority"},
		{"a blank in the authority", but(":authority", "example.com x"), "authority"},
		{"a line in the authority", but(":authority", "example.com\r\nx: y"), "authority"},
		{"a port", but(":authority", "example.com:8080"), ""},
		{"an empty port", but(":authority", "example.com:"), "authority"},
		{"two hosts", but(":authority", "example.com,admin.example"), "authority"},
		{"an escape in the host", but(":authority", "example.com%2f"), "authority"},
		{"a port of letters", but(":authority", "example.com:http"), "authority"},
		{"two ports", but(":authority", "example.com:1:2"), "authority"},
		{"IPv6", but(":authority", "[2001:db8::1]:443"), ""},
		{"IPv6 unclosed", but(":authority", "[2001:db8::1"), "authority"},
		{"IPv6 and more", but(":authority", "[::1]x"), "authority"},

		{"a method with a blank", but(":method", "GET /admin"), "token"},
		{"a method with a line", but(":method", "GET / HTTP/1.1\r\nx:"), "token"},
		{"a path with a blank", but(":path", "/ HTTP/1.1"), "path"},
		{"a path with a line", but(":path", "/ HTTP/1.1\r\nhost: x\r\n\r\nGET /"), "path"},
		{"a path with a tab", but(":path", "/\tx"), "path"},
		{"a path with NUL", but(":path", "/\x00"), "path"},
		{"a fragment", but(":path", "/#x"), "path"},
		{"a path that is a URL", but(":path", "http://admin.example/"), "path"},
		{"a path without a slash", but(":path", "admin"), "path"},
		{"a query", but(":path", "/?a=b&c=%20"), ""},
		{"the star", but(":path", "*"), "path"},
		{"the star for OPTIONS", []string{":method", "OPTIONS", ":scheme", "http", ":path", "*", ":authority", "x"}, ""},
		{"another scheme", but(":scheme", "ftp"), "scheme"},
		{"a scheme with a path", but(":scheme", "http://admin.example/x?"), "scheme"},

		{"CONNECT", []string{":method", "CONNECT", ":authority", "example.com:443"}, ""},
		{"CONNECT to IPv6", []string{":method", "CONNECT", ":authority", "[::1]:443"}, ""},
		{"CONNECT without a port", []string{":method", "CONNECT", ":authority", "example.com"}, "port"},
		{"CONNECT to IPv6 without a port", []string{":method", "CONNECT", ":authority", "[::1]"}, "port"},
		{"CONNECT without an authority", []string{":method", "CONNECT"}, "port"},
		{"CONNECT with a path", but(":method", "CONNECT"), "CONNECT"},
		{"CONNECT with content-length", []string{":method", "CONNECT", ":authority", "example.com:443", "content-length", "1"}, "content-length"},
	} {
		_, why := request(false, c.pairs...)
		if (why == "") != (c.why == "") || !strings.Contains(why, c.why) {
			t.Errorf("%s: %q, want %q", c.name, why, c.why)
		}
	}
}

func TestExtendedConnect(t *testing.T) {
	for _, c := range []struct {
		name  string
		pairs []string
		taken bool
	}{
		{"websocket", []string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", "/chat", ":authority", "x"}, true},
		{"no path", []string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "x"}, false},
		{"another method", []string{":method", "GET", ":protocol", "websocket", ":scheme", "https", ":path", "/chat", ":authority", "x"}, false},
		{"a length", []string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", "/chat", ":authority", "x", "content-length", "5"}, false},
		{"another protocol", []string{":method", "CONNECT", ":protocol", "connect-udp", ":scheme", "https", ":path", "/chat", ":authority", "x"}, true},
		{"HTTP/2", []string{":method", "CONNECT", ":protocol", "H2c", ":scheme", "https", ":path", "/chat", ":authority", "x"}, false},
		{"HTTP", []string{":method", "CONNECT", ":protocol", "HTTP", ":scheme", "https", ":path", "/chat", ":authority", "x"}, false},
		{"no token", []string{":method", "CONNECT", ":protocol", "web socket", ":scheme", "https", ":path", "/chat", ":authority", "x"}, false},
	} {
		if _, why := request(true, c.pairs...); (why == "") != c.taken {
			t.Errorf("%s: %q", c.name, why)
		}
	}
}

func TestResponses(t *testing.T) {
	for _, c := range []struct {
		name  string
		pairs []string
		why   string
	}{
		{"plain", []string{":status", "200", "server", "x", "content-length", "5"}, ""},
		{"no :status", []string{"server", "x"}, "no :status"},
		{":status twice", []string{":status", "200", ":status", "200"}, "twice"},
		{":status of two digits", []string{":status", "20"}, "no status"},
		{":status with more", []string{":status", "200 OK"}, "no status"},
		{":status 099", []string{":status", "099"}, "no status"},
		{":status 600", []string{":status", "600"}, "no status"},
		{"101", []string{":status", "101"}, "101"},
		{":path", []string{":status", "200", ":path", "/"}, "requests"},
		{"host", []string{":status", "200", "host", "x"}, "requests"},
		{"upper case", []string{":status", "200", "Server", "x"}, "upper-case"},
		{"two responses", []string{":status", "200", "x-a", "\r\n\r\nHTTP/1.1 200 OK"}, "value"},
		{"transfer-encoding", []string{":status", "200", "transfer-encoding", "chunked"}, "HTTP/1.1"},
		{"204 with content-length", []string{":status", "204", "content-length", "5"}, "no body"},
		{"204 with :path", []string{":status", "204", ":path", "/", "content-length", "0"}, "requests"},
		{"204 with content-length 0", []string{":status", "204", "content-length", "0"}, ""},
		{"304 with content-length", []string{":status", "304", "content-length", "5"}, ""},
	} {
		h := &Head{}
		why := h.response(&hpack.Fields{List: fields(c.pairs...)})
		if (why == "") != (c.why == "") || !strings.Contains(why, c.why) {
			t.Errorf("%s: %q, want %q", c.name, why, c.why)
		}
		if h.Status == 204 && why == "" && (len(h.Fields) != 0 || h.Length != unsaid) {
			t.Errorf("%s: a length is passed on", c.name)
		}
	}
}

// answer is what a client makes of frames that answer its request.
func answer(t *testing.T, method string, make func(*wire)) (said []string) {
	t.Helper()
	c := &end{Conn: NewClient(DefaultLimits(), &Scratch{})}
	head := get("/")
	head.Method = []byte(method)
	if _, err := c.Open(head, true); err != nil {
		t.Fatal(err)
	}
	w := newWire()
	w.b = appendSettings(nil)
	make(w)
	c.in = w.b
	return c.read(t, start)[1:] // after the event of SETTINGS
}

// TestAnswers: which bodies belong to which responses, and what a client does not
// take.
func TestAnswers(t *testing.T) {
	status := func(w *wire, flags uint8, pairs ...string) *wire {
		return w.frame(typeHeaders, flagEndHeaders|flags, 1, w.block(pairs...))
	}
	for _, c := range []struct {
		name, method string
		make         func(*wire)
		last         string
	}{
		{"a body", "GET", func(w *wire) {
			status(w, 0, ":status", "200", "content-length", "1").frame(typeData, flagEndStream, 1, "x")
		}, `data 1 "x" end`},
		{"too short", "GET", func(w *wire) {
			status(w, 0, ":status", "200", "content-length", "2").frame(typeData, flagEndStream, 1, "x")
		}, "reset 1 PROTOCOL_ERROR ours"},
		{"none", "GET", func(w *wire) { status(w, flagEndStream, ":status", "200", "content-length", "2") }, "reset 1 PROTOCOL_ERROR ours"},
		{"none, to HEAD", "HEAD", func(w *wire) { status(w, flagEndStream, ":status", "200", "content-length", "2") }, "response 1 200 content-length=2 end"},
		{"one, to HEAD", "HEAD", func(w *wire) {
			status(w, 0, ":status", "200", "content-length", "1").frame(typeData, flagEndStream, 1, "x")
		}, "reset 1 PROTOCOL_ERROR ours"},
		{"304", "GET", func(w *wire) {
			status(w, 0, ":status", "304", "content-length", "1").frame(typeData, flagEndStream, 1, "")
		}, `data 1 "" end`},
		{"a tunnel", "CONNECT", func(w *wire) {
			status(w, 0, ":status", "200", "content-length", "1", "x-a", "1").frame(typeData, 0, 1, "xx")
		}, `data 1 "xx"`},
		{"a tunnel, its head", "CONNECT", func(w *wire) { status(w, 0, ":status", "200", "content-length", "1", "x-a", "1") }, "response 1 200 x-a=1"},
		{"no tunnel", "CONNECT", func(w *wire) { status(w, 0, ":status", "403", "content-length", "1").frame(typeData, 0, 1, "xx") }, "reset 1 PROTOCOL_ERROR ours"},
		{"204 with a body", "GET", func(w *wire) { status(w, 0, ":status", "204").frame(typeData, flagEndStream, 1, "x") }, "reset 1 PROTOCOL_ERROR ours"},
		{"DATA first", "GET", func(w *wire) { w.frame(typeData, flagEndStream, 1, "x") }, "reset 1 PROTOCOL_ERROR ours"},
		{"an interim response that ends", "GET", func(w *wire) { status(w, flagEndStream, ":status", "103") }, "reset 1 PROTOCOL_ERROR ours"},
		{"DATA after an interim response", "GET", func(w *wire) { status(w, 0, ":status", "103").frame(typeData, 0, 1, "x") }, "reset 1 PROTOCOL_ERROR ours"},
		{"interim responses without end", "GET", func(w *wire) {
			for range 40 {
				status(w, 0, ":status", "103")
			}
		}, "reset 1 ENHANCE_YOUR_CALM ours"},
		{"a stream that nobody opened", "GET", func(w *wire) { w.head(3) }, "PROTOCOL_ERROR: HEADERS on a stream that was never opened"},
		{"a pushed stream", "GET", func(w *wire) { w.frame(typePushPromise, flagEndHeaders, 1, u32(2)+"\x88") }, "PROTOCOL_ERROR: PUSH_PROMISE, which is not allowed here"},
		{"a server that allows push", "GET", func(w *wire) { w.settings(setting{settingPush, 1}) }, "PROTOCOL_ERROR: SETTINGS_ENABLE_PUSH is neither 0 nor a client's 1"},
	} {
		got := answer(t, c.method, c.make)
		// What comes after a reset belongs to nobody.
		if i := slices.IndexFunc(got, func(s string) bool { return strings.HasPrefix(s, "reset") }); i >= 0 {
			if i+1 < len(got) {
				t.Errorf("%s: after the reset: %q", c.name, got)
			}
		}
		if len(got) == 0 || got[len(got)-1] != c.last {
			t.Errorf("%s: %q, want %q", c.name, got, c.last)
		}
	}
}
