package http

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
)

// hidden is the request that an attacker wants somebody behind us to see.
const hidden = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"

// chunkedHidden is hidden as the data of one chunk.
const chunkedHidden = "21\r\n" + hidden + "\r\n0\r\n\r\n"

func post(fields, body string) string {
	return "POST /first HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n" + body
}

// smuggling lists what attackers send; status is the refusal, and 0 means that it
// is one request whose body is just that.
var smuggling = []struct {
	name   string
	status int
	in     string
}{
	{"CL.TE", 400, post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"+hidden)},
	{"TE.CL", 400, post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", chunkedHidden)},
	{"CL.TE with CL 0", 400, post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"+hidden)},
	{"TE.TE, two fields", 400, post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunkedHidden)},
	{"TE.TE, identity second", 400, post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", chunkedHidden)},
	{"TE.TE, cow first", 501, post("Transfer-Encoding: cow\r\nTransfer-Encoding: chunked\r\n", chunkedHidden)},
	{"TE, list", 501, post("Transfer-Encoding: gzip, chunked\r\n", chunkedHidden)},
	{"TE, chunked twice in a list", 501, post("Transfer-Encoding: chunked, chunked\r\n", chunkedHidden)},
	{"TE, chunked not last", 501, post("Transfer-Encoding: chunked, identity\r\n", chunkedHidden)},
	{"TE, identity", 501, post("Transfer-Encoding: identity\r\n", hidden)},
	{"TE, xchunked", 501, post("Transfer-Encoding: xchunked\r\n", chunkedHidden)},
	{"TE, quoted", 501, post("Transfer-Encoding: \"chunked\"\r\n", chunkedHidden)},
	{"TE, parameter", 501, post("Transfer-Encoding: chunked;x\r\n", chunkedHidden)},
	{"TE, empty", 501, post("Transfer-Encoding:\r\n", hidden)},
	{"TE, empty item", 501, post("Transfer-Encoding: ,chunked\r\n", chunkedHidden)},
	{"TE, vertical tab", 400, post("Transfer-Encoding: \x0bchunked\r\n", chunkedHidden)},
	{"TE, form feed at the end", 400, post("Transfer-Encoding: chunked\x0c\r\n", chunkedHidden)},
	{"TE, NUL", 400, post("Transfer-Encoding: chunked\x00\r\n", chunkedHidden)},
	{"TE, no-break space", 501, post("Transfer-Encoding: \xa0chunked\r\n", chunkedHidden)},
	{"TE, blank before the colon", 400, post("Transfer-Encoding : chunked\r\n", chunkedHidden)},
	{"TE, tab before the colon", 400, post("Transfer-Encoding\t: chunked\r\n", chunkedHidden)},
	{"TE, NUL in the name", 400, post("Transfer-\x00Encoding: chunked\r\n", chunkedHidden)},
	{"TE, blank before the name", 400, post(" Transfer-Encoding: chunked\r\n", chunkedHidden)},
	{"TE, folded", 501, post("Transfer-Encoding:\r\n chunked\r\n", chunkedHidden)},
	{"TE, folded by a tab", 501, post("Transfer-Encoding:\r\n\tchunked\r\n", chunkedHidden)},
	{"TE hidden behind a folded field", 400, post("X: y\r\n Transfer-Encoding: chunked\r\n", chunkedHidden)},
	{"TE behind a bare CR", 400, post("X: y\rTransfer-Encoding: chunked\r\n", chunkedHidden)},
	{"TE behind a bare LF", 400, post("X: y\nTransfer-Encoding: chunked\r\n", chunkedHidden)},
	{"TE ended by a bare LF", 400, post("Transfer-Encoding: chunked\n", chunkedHidden)},
	{"TE with an underscore", 400, post("Transfer_Encoding: chunked\r\n", chunkedHidden)},
	{"CL with an underscore", 400, post("Content_Length: 33\r\n", hidden)},
	{"TE without colon", 400, post("Transfer-Encoding chunked\r\n", chunkedHidden)},
	{"TE over HTTP/1.0", 400, "POST /first HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + chunkedHidden},
	{"TE that Connection names", 0, post("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", chunkedHidden)},
	{"CL that Connection names", 0, post("Connection: Content-Length\r\nContent-Length: 33\r\n", hidden)},
	{"CL.0, a body on GET", 0, "GET /first HTTP/1.1\r\nHost: x\r\nContent-Length: 33\r\n\r\n" + hidden},
	{"TE, just so", 0, post("tRANSFER-eNCODING:  Chunked \r\n", chunkedHidden)},
	{"CL, just so", 0, post("content-length: 33\r\n", hidden)},
	{"CL twice", 400, post("Content-Length: 33\r\nContent-Length: 0\r\n", hidden)},
	{"CL twice, alike", 400, post("Content-Length: 33\r\nContent-Length: 33\r\n", hidden)},
	{"CL, list", 400, post("Content-Length: 33, 33\r\n", hidden)},
	{"CL, plus", 400, post("Content-Length: +33\r\n", hidden)},
	{"CL, minus", 400, post("Content-Length: -33\r\n", hidden)},
	{"CL, minus zero", 400, post("Content-Length: -0\r\n", hidden)},
	{"CL, blank within", 400, post("Content-Length: 3 4\r\n", hidden)},
	{"CL, hexadecimal", 400, post("Content-Length: 0x21\r\n", hidden)},
	{"CL, exponent", 400, post("Content-Length: 33e0\r\n", hidden)},
	{"CL, dot", 400, post("Content-Length: 33.0\r\n", hidden)},
	{"CL, empty", 400, post("Content-Length:\r\n", hidden)},
	{"CL, 2^64", 400, post("Content-Length: 18446744073709551616\r\n", hidden)},
	{"CL, 2^64+33", 400, post("Content-Length: 18446744073709551649\r\n", hidden)},
	{"CL, other digits", 400, post("Content-Length: \xd9\xa3\xd9\xa3\r\n", hidden)},
	{"CL, blank before the colon", 400, post("Content-Length : 33\r\n", hidden)},
	{"Host twice", 400, "GET /first HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + hidden},
	{"Host twice, alike", 400, "GET /first HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n"},
	{"no Host", 400, "GET /first HTTP/1.1\r\n\r\n" + hidden},
	{"Host, list", 400, "GET /first HTTP/1.1\r\nHost: x, y\r\n\r\n"},
	{"Host, at", 400, "GET /first HTTP/1.1\r\nHost: x@y\r\n\r\n"},
	{"Host, path", 400, "GET /first HTTP/1.1\r\nHost: x/hidden\r\n\r\n"},
	{"Host, port of letters", 400, "GET /first HTTP/1.1\r\nHost: x:80a\r\n\r\n"},
	{"Host, two ports", 400, "GET /first HTTP/1.1\r\nHost: x:80:90\r\n\r\n"},
	{"Host, folded", 400, "GET /first HTTP/1.1\r\nHost: x\r\n y\r\n\r\n"},
	{"absolute target with credentials", 400, "GET http://x@y/first HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"absolute target of another scheme", 400, "GET ftp://x/first HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"CONNECT", 400, "CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n" + hidden},
	{"chunk size with 0x", 400, post("Transfer-Encoding: chunked\r\n", "0x21\r\n"+hidden+"\r\n0\r\n\r\n")},
	{"chunk size with a plus", 400, post("Transfer-Encoding: chunked\r\n", "+21\r\n"+hidden+"\r\n0\r\n\r\n")},
	{"chunk size with a minus", 400, post("Transfer-Encoding: chunked\r\n", "-0\r\n\r\n"+hidden)},
	{"chunk size after a blank", 400, post("Transfer-Encoding: chunked\r\n", " 0\r\n\r\n"+hidden)},
	{"chunk size before a blank", 400, post("Transfer-Encoding: chunked\r\n", "0 \r\n\r\n"+hidden)},
	{"chunk size, none", 400, post("Transfer-Encoding: chunked\r\n", "\r\n\r\n"+hidden)},
	{"chunk size of 2^64", 400, post("Transfer-Encoding: chunked\r\n", "10000000000000000\r\n\r\n"+hidden)},
	{"chunk size of 2^64, zeros in front", 400, post("Transfer-Encoding: chunked\r\n", "0000000000000021\r\n"+hidden+"\r\n0\r\n\r\n")},
	{"chunk size with an underscore", 400, post("Transfer-Encoding: chunked\r\n", "2_1\r\n"+hidden+"\r\n0\r\n\r\n")},
	{"chunk size ended by LF", 400, post("Transfer-Encoding: chunked\r\n", "0\n\r\n"+hidden)},
	{"chunk size ended by CR", 400, post("Transfer-Encoding: chunked\r\n", "0\r\r\n"+hidden)},
	{"chunk extension with LF", 400, post("Transfer-Encoding: chunked\r\n", "2;\n"+"xx\r\n21\r\n"+hidden+"\r\n0\r\n\r\n")},
	{"chunk extension with CR", 400, post("Transfer-Encoding: chunked\r\n", "2;\rxx\r\nxx\r\n0\r\n\r\n"+hidden)},
	{"chunk extension with NUL", 400, post("Transfer-Encoding: chunked\r\n", "2;\x00\r\nxx\r\n0\r\n\r\n"+hidden)},
	{"chunk extension with a quoted CR LF", 400, post("Transfer-Encoding: chunked\r\n", "2;a=\"\r\nxx\"\r\n0\r\n\r\n"+hidden)},
	{"chunk data longer than its size", 400, post("Transfer-Encoding: chunked\r\n", "2\r\nxxx\r\n0\r\n\r\n"+hidden)},
	{"chunk data shorter than its size", 400, post("Transfer-Encoding: chunked\r\n", "3\r\nx\r\n0\r\n\r\n"+hidden)},
	{"chunk ended by LF", 400, post("Transfer-Encoding: chunked\r\n", "2\r\nxx\n0\r\n\r\n"+hidden)},
	{"last chunk ended by LF", 400, post("Transfer-Encoding: chunked\r\n", "0\r\n\n"+hidden)},
	{"trailers with a folded line", 400, post("Transfer-Encoding: chunked\r\n", "0\r\n X: y\r\n\r\n"+hidden)},
	{"trailers with both lengths", 400, post("Transfer-Encoding: chunked\r\n", "0\r\nContent-Length: 33\r\nTransfer-Encoding: chunked\r\n\r\n"+hidden)},
	{"two blanks in the request line", 400, "GET  /first HTTP/1.1\r\nHost: x\r\n\r\n" + hidden},
	{"a tab in the request line", 400, "GET\t/first HTTP/1.1\r\nHost: x\r\n\r\n" + hidden},
	{"a blank in the target", 400, "GET /first /hidden HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"a blank after the version", 400, "GET /first HTTP/1.1 \r\nHost: x\r\n\r\n"},
	{"HTTP/0.9", 400, "GET /first\r\n" + hidden},
	{"HTTP/1.1 with zeros", 400, "GET /first HTTP/1.01\r\nHost: x\r\n\r\n"},
	{"HTTP/2.0", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
	{"HTTP in small letters", 400, "GET /first http/1.1\r\nHost: x\r\n\r\n"},
	{"NUL in the target", 400, "GET /first\x00 HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"a fragment", 400, "GET /first#/hidden HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"a bare CR in the request line", 400, "GET /first\r HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"a bare LF after the request line", 400, "GET /first HTTP/1.1\nHost: x\r\n\r\n"},
	{"bare LFs throughout", 400, "GET /first HTTP/1.1\nHost: x\n\n" + hidden},
	{"the head ended by a bare LF", 400, "GET /first HTTP/1.1\r\nHost: x\r\n\n" + hidden},
	{"the head ended by a bare CR", 400, "GET /first HTTP/1.1\r\nHost: x\r\n\r\r\n" + hidden},
	{"a field without a name", 400, "GET /first HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n"},
	{"a field of a blank alone", 400, "GET /first HTTP/1.1\r\nHost: x\r\n \r\n\r\n"},
	{"a request target above the root", 400, "GET /../hidden HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"hidden dots", 400, "GET /first/..;/hidden HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"Expect, something else", 417, post("Expect: 200-ok\r\nContent-Length: 33\r\n", hidden)},
}

// TestSmuggling: each case is refused before anything of it went on, or is one
// message with a body, also for net/http, which reads what went on.
func TestSmuggling(t *testing.T) {
	if len(smuggling) < 60 {
		t.Fatalf("only %d cases", len(smuggling))
	}
	for _, c := range smuggling {
		msgs, upstream, rest, err := requests(c.in, len(c.in))
		switch {
		case c.status == 0 && (err != nil || len(msgs) != 1 || msgs[0].body != hidden || rest != ""):
			t.Errorf("%s: %v, %v, %q left", c.name, msgs, err, rest)
		case c.status != 0 && (status(err) != c.status || len(msgs) != 0):
			t.Errorf("%s: %v, %v; want %d", c.name, msgs, err, c.status)
		}
		in := bufio.NewReader(strings.NewReader(strings.Join(upstream, "")))
		for n := 0; ; n++ {
			r, err := http.ReadRequest(in)
			if err == io.EOF && n == len(msgs) {
				break
			}
			if err != nil || r.URL.Path != "/first" {
				t.Errorf("%s: the backend reads %+v, %v", c.name, r, err)
				break
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				t.Errorf("%s: the backend reads a body: %v", c.name, err)
				break
			}
		}
		sameInPieces(t, c.in)
	}
}

// TestPoisonedAnswers: what a backend may not answer, lest clients or we take a
// part of it for another answer.
func TestPoisonedAnswers(t *testing.T) {
	const second = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"
	for name, in := range map[string]string{
		"both lengths":             "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + second,
		"two lengths":              "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 0\r\n\r\n" + second,
		"a length that is none":    "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n" + second,
		"another coding":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" + second,
		"chunked over HTTP/1.0":    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + second,
		"a folded field":           "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n" + second,
		"a bare LF":                "HTTP/1.1 200 OK\nContent-Length: 0\n\n" + second,
		"a bare CR":                "HTTP/1.1 200 OK\r\nX: y\rz\r\n\r\n" + second,
		"a control byte":           "HTTP/1.1 200 OK\r\nX: \x01\r\n\r\n" + second,
		"a control byte before":    "HTTP/1.1 200 O\x01\r\n\r\n" + second,
		"a code of two digits":     "HTTP/1.1 20 OK\r\n\r\n" + second,
		"a code of four digits":    "HTTP/1.1 2000 OK\r\n\r\n" + second,
		"a code below 100":         "HTTP/1.1 099 OK\r\n\r\n" + second,
		"HTTP/2":                   "HTTP/2 200 OK\r\n\r\n" + second,
		"no status line":           "<html>",
		"a switch without a wish":  "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" + second,
		"interim answers for ever": strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", maxInterim+1) + second,
		"a chunk that is none":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nwrong\r\n0\r\n\r\n",
	} {
		for _, step := range []int{1, len(in)} {
			c := NewClient(DefaultLimits())
			c.AppendRequest(nil, &Request{Method: []byte("GET"), Authority: []byte("x")}, slash, 0)
			var r Response
			_, err := feed(in, step, func(b []byte) (Piece, error) { return c.Next(b, &r) }, func(p Piece) {
				if p.Kind == Data {
					t.Errorf("%s: %q comes of it", name, p.Data)
				}
			})
			if status(err) != 502 || c.Reusable() {
				t.Errorf("%s, by %d bytes: %v", name, step, err)
			}
		}
	}
}
