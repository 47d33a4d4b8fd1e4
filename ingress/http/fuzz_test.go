package http

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"
)

// sorted are fields in a form in which two readers' can be compared.
func sorted(fields []string) (out []string) {
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		name = textproto.CanonicalMIMEHeaderKey(name)
		if name != "Host" && name != "Connection" && name != "Transfer-Encoding" && name != "Trailer" { // net/http keeps these elsewhere
			out = append(out, name+": "+value)
		}
	}
	slices.Sort(out)
	return out
}

func flat(h http.Header) (out []string) {
	for name, values := range h {
		for _, v := range values {
			out = append(out, name+": "+v)
		}
	}
	return sorted(out)
}

// FuzzRequest: what is read as requests is read by net/http as the same ones, and
// so is what is written for a backend; pieces make no difference.
func FuzzRequest(f *testing.F) {
	for _, c := range smuggling {
		f.Add(c.in)
	}
	for _, in := range wellFormed {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		msgs, upstream, _, _ := requests(in, len(in)+1)
		for i, m := range msgs {
			oracle := readByNetHTTP(t, strings.TrimPrefix(m.raw, "\r\n"))
			if oracle == nil {
				continue
			}
			body := oracle.body
			if oracle.Method != m.method || oracle.RequestURI != m.target || oracle.Host != m.authority || body != m.body || oracle.ContentLength != m.length {
				t.Fatalf("%q: read as %+v, by net/http as %+v with body %q", m.raw, m, oracle.Request, body)
			}
			if got, want := sorted(m.fields), flat(oracle.Header); !slices.Equal(got, want) {
				t.Fatalf("%q: fields %q, by net/http %q", m.raw, got, want)
			}
			behind := readByNetHTTP(t, upstream[i])
			if behind == nil || behind.Method != m.method || behind.Host != m.authority || behind.body != m.body {
				t.Fatalf("%q: a backend reads %+v of %q", m.raw, behind, upstream[i])
			}
			if path, _, _ := strings.Cut(behind.RequestURI, "?"); path != m.path {
				t.Fatalf("%q: a backend is asked for %q, and not %q", m.raw, path, m.path)
			}
		}
		if len(in) < 2000 {
			sameInPieces(t, in)
		}
	})
}

type oracle struct {
	*http.Request
	body string
}

// readByNetHTTP reads exactly one request. It is nil for what net/http refuses
// and we need not: where a URL is none in its eyes.
func readByNetHTTP(t *testing.T, raw string) *oracle {
	in := bufio.NewReader(strings.NewReader(raw))
	r, err := http.ReadRequest(in)
	if err != nil {
		if strings.Contains(err.Error(), "parse ") {
			return nil
		}
		t.Fatalf("%q: net/http refuses it: %v", raw, err)
	}
	body, err := io.ReadAll(r.Body)
	rest, _ := io.ReadAll(in)
	if err != nil || len(rest) > 0 {
		t.Fatalf("%q: net/http reads body %q, %v, and leaves %q", raw, body, err, rest)
	}
	return &oracle{r, string(body)}
}

// FuzzResponse: what is read as responses is read by net/http as the same ones,
// and so is what is written for a client.
func FuzzResponse(f *testing.F) {
	for _, in := range answers {
		f.Add(in, false)
		f.Add(in, true)
	}
	f.Fuzz(func(t *testing.T, in string, head bool) {
		c := NewClient(DefaultLimits())
		method := "GET"
		if head {
			method = "HEAD"
		}
		ask := &http.Request{Method: method}
		c.AppendRequest(nil, &Request{Method: []byte(method), Authority: []byte("x")}, slash, 0)
		s := NewServer(DefaultLimits())
		var asked Request
		if _, err := s.Next([]byte(method+" / HTTP/1.1\r\nHost: x\r\n\r\n"), &asked); err != nil {
			t.Fatal(err)
		}
		var r Response
		var fields []string
		var body, down []byte
		final, complete, used := 0, false, 0
		_, err := feed(in, len(in)+1, func(b []byte) (Piece, error) { return c.Next(b, &r) }, func(p Piece) {
			used += p.Used
			switch p.Kind {
			case GotHead:
				if !r.Interim() {
					final, fields = used, fieldsOf(r.Fields)
					down = EndHead(s.AppendResponse(nil, &r, 0))
				}
			case Data:
				body = append(body, p.Data...)
				down = s.AppendData(down, p.Data)
			case End:
				complete = true
			}
		})
		if err != nil || final == 0 {
			return
		}
		if !complete {
			if complete = c.EOF() == nil; !complete {
				return
			}
		}
		down = s.AppendEnd(down, r.Trailers)
		for name, raw := range map[string]string{"as it came": in[:used], "as it went on": string(down)} {
			got, gotBody, rest, err := readAnswer(raw, ask)
			if err != nil || got.StatusCode != r.Status || !bytes.Equal(gotBody, body) || len(rest) > 0 {
				t.Fatalf("%q, %s: read as %d with body %q; net/http reads %q as %+v with body %q, %v, and leaves %q", in, name, r.Status, body, raw, got, gotBody, err, rest)
			}
			if name == "as it came" && !slices.Equal(sorted(fields), flat(got.Header)) {
				t.Fatalf("%q: fields %q, by net/http %q", in, sorted(fields), flat(got.Header))
			}
		}
	})
}

// readAnswer has net/http read the final response.
func readAnswer(raw string, ask *http.Request) (*http.Response, []byte, []byte, error) {
	in := bufio.NewReader(strings.NewReader(raw))
	for {
		r, err := http.ReadResponse(in, ask)
		if err != nil {
			return nil, nil, nil, err
		}
		body, err := io.ReadAll(r.Body)
		if r.StatusCode >= 200 {
			rest, _ := io.ReadAll(in)
			return r, body, rest, err
		}
	}
}
