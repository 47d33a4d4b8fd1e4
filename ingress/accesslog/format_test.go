package accesslog

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-logfmt/logfmt"
)

func sample() *Record {
	return &Record{
		Time: time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC), Took: 1234567 * time.Nanosecond, Client: netip.MustParseAddr("2001:db8::1"),
		Method: []byte("GET"), Host: []byte("shop.test"), Target: []byte("/a?b=c"), Agent: []byte("curl/8"), Referer: []byte("https://x.test/"), ID: []byte("abc"),
		Protocol: HTTP11, Secure: true, Status: 200, Sent: 1024, Rule: "shop/front", Pool: "shop/web:80", Backend: "192.0.2.1:8080", Tries: 2,
	}
}

func TestFormats(t *testing.T) {
	refused := &Record{Time: sample().Time, Client: netip.MustParseAddr("192.0.2.9"), Status: 400, Fault: "the head is none"}
	for _, c := range []struct {
		format Format
		record *Record
		want   string
	}{
		{Logfmt, sample(), `level=info ts=2026-01-02T03:04:05.678Z shell=access msg=request peer=2001:db8::1 method=GET host=shop.test path="/a?b=c" proto=HTTP/1.1 tls=true code=200 bytes=1024 ms=1.234 id=abc ingress=shop/front svc=shop/web:80 addr=192.0.2.1:8080 attempts=2`},
		{Logfmt, refused, `level=info ts=2026-01-02T03:04:05.678Z shell=access msg=request peer=192.0.2.9 method="" host="" path="" proto=HTTP/1.0 code=400 bytes=0 ms=0.000 id="" err="the head is none"`},
		{JSON, sample(), `{"level":"info","ts":"2026-01-02T03:04:05.678Z","shell":"access","msg":"request","peer":"2001:db8::1","method":"GET","host":"shop.test","path":"/a?b=c","proto":"HTTP/1.1","tls":true,"code":200,"bytes":1024,"ms":1.234,"id":"abc","agent":"curl/8","referer":"https://x.test/","ingress":"shop/front","svc":"shop/web:80","addr":"192.0.2.1:8080","attempts":2}`},
		{Combined, sample(), `2001:db8::1 - - [02/Jan/2026:03:04:05 +0000] "GET /a?b=c HTTP/1.1" 200 1024 "https://x.test/" "curl/8"`},
		{Combined, refused, `192.0.2.9 - - [02/Jan/2026:03:04:05 +0000] "  HTTP/1.0" 400 0 "-" "-"`},
	} {
		if got := string(c.format.Append(nil, c.record)); got != c.want+"\n" {
			t.Errorf("%s:\n%s\nwant\n%s", c.format, got, c.want)
		}
	}
}

func TestParseFormat(t *testing.T) {
	for _, f := range formats {
		if got, err := ParseFormat(string(f)); got != f || err != nil {
			t.Errorf("%s: %q, %v", f, got, err)
		}
	}
	if _, err := ParseFormat("xml"); err == nil || !strings.Contains(err.Error(), "logfmt, json, combined") {
		t.Errorf("xml: %v", err)
	}
}

// FuzzFormats: no client can forge a line, or a field of one.
func FuzzFormats(f *testing.F) {
	f.Add([]byte("/a\" \x00\r\n\xff=\\ü\u2028"))
	f.Fuzz(func(t *testing.T, evil []byte) {
		if len(evil) == 0 {
			return // fields without a value are left out
		}
		r := sample()
		r.Method, r.Host, r.Target, r.Agent, r.Referer, r.ID, r.Rule, r.Pool, r.Fault = evil, evil, evil, evil, evil, evil, string(evil), string(evil), string(evil)
		for _, format := range formats {
			line := format.Append(nil, r)
			if bytes.IndexByte(line, '\n') != len(line)-1 || bytes.IndexByte(line, '\r') >= 0 || !utf8.Valid(line) {
				t.Fatalf("%s: %q", format, line)
			}
		}
		read := strings.ToValidUTF8(string(evil), "\ufffd")
		var o map[string]any
		if err := json.Unmarshal(JSON.Append(nil, r), &o); err != nil || !same(o["path"].(string), read) || o["code"] != 200.0 {
			t.Fatalf("JSON: %v, %q of %q", err, o["path"], evil)
		}
		d := logfmt.NewDecoder(bytes.NewReader(Logfmt.Append(nil, r)))
		got := map[string]string{}
		for d.ScanRecord(); d.ScanKeyval(); {
			got[string(d.Key())] = string(d.Value())
		}
		if d.Err() != nil || !same(got["path"], read) || got["code"] != "200" || len(got) != 19 {
			t.Fatalf("logfmt: %v, %q of %q", d.Err(), got, evil)
		}
		if n := bytes.Count(Combined.Append(nil, r), []byte(`"`)); n != 6 {
			t.Fatalf("combined: %d quotes", n)
		}
	})
}

// same compares texts in which runs of broken bytes may be one U+FFFD or several.
func same(a, b string) bool {
	squeeze := func(s string) string {
		for strings.Contains(s, "\ufffd\ufffd") {
			s = strings.ReplaceAll(s, "\ufffd\ufffd", "\ufffd")
		}
		return s
	}
	return squeeze(a) == squeeze(b)
}

func TestAllocatesNothing(t *testing.T) {
	r, dst := sample(), make([]byte, 0, 1024)
	for _, f := range formats {
		if n := testing.AllocsPerRun(100, func() { dst = f.Append(dst[:0], r) }); n != 0 {
			t.Errorf("%s: %v allocations", f, n)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, f := range formats {
		b.Run(string(f), func(b *testing.B) {
			r, dst := sample(), make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				dst = f.Append(dst[:0], r)
			}
		})
	}
}
