package engine

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// framed is a connection of HTTP/2 on which a test writes what it likes.
type framed struct {
	*http2.Framer
	c     *raw
	enc   *hpack.Encoder
	block bytes.Buffer
}

func frames(t *testing.T, addr string) *framed {
	t.Helper()
	f := &framed{c: dial(t, addr)}
	f.c.say(http2.ClientPreface)
	f.Framer, f.enc = http2.NewFramer(f.c, f.c.in), hpack.NewEncoder(&f.block)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	f.must(f.WriteSettings())
	return f
}

func (f *framed) must(err error) {
	f.c.t.Helper()
	if err != nil {
		f.c.t.Fatal(err)
	}
}

// head sends a block of fields; those with a colon at their start come as they are.
func (f *framed) head(id uint32, end bool, fields ...string) {
	f.c.t.Helper()
	f.block.Reset()
	for _, field := range fields {
		name, value, _ := strings.Cut(field[1:], ":")
		f.must(f.enc.WriteField(hpack.HeaderField{Name: field[:1] + name, Value: strings.TrimSpace(value)}))
	}
	f.must(f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.block.Bytes(), EndHeaders: true, EndStream: end}))
}

// TestManyHeads: heads that take little compressed and much as they are do not fill the
// memory; other streams of the connection are served when those are over.
func TestManyHeads(t *testing.T) {
	finish := make(chan struct{})
	r := start(t, Options{}, origin(t, func(w http.ResponseWriter, r *http.Request) {
		<-finish
		w.WriteHeader(204)
	}))
	f := frames(t, r.addr)
	more := slices.Repeat([]string{"x: " + strings.Repeat("x", 3<<10)}, 10) // all but the first take a byte
	const streams = 100
	for i := range uint32(streams) {
		f.head(2*i+1, true, request("GET", "/", more...)...)
	}
	refused := 0
	for i := uint32(mostHeads/(10*3<<10) + 1); i < streams; i++ {
		if got := f.hears(2*i + 1); got != "REFUSED_STREAM" {
			t.Fatalf("stream %d heard %s", i, got)
		}
		refused++
	}
	if refused == 0 {
		t.Error("no stream is refused")
	}
	close(finish)
	f.hears(1)
	for id := uint32(2*streams + 1); ; id += 2 { // those before are over one by one
		f.head(id, true, request("GET", "/")...)
		switch got := f.hears(id); got {
		case "204":
			return
		case "REFUSED_STREAM":
		default:
			t.Fatalf("heard %s", got)
		}
	}
}

func request(method, path string, more ...string) []string {
	return append([]string{":method: " + method, ":scheme: http", ":authority: x", ":path: " + path}, more...)
}

// hears waits for what becomes of a stream: a status, the code of a reset, or that
// of a GOAWAY.
func (f *framed) hears(id uint32) string {
	f.c.t.Helper()
	for {
		fr, err := f.ReadFrame()
		if err != nil {
			return err.Error()
		}
		switch fr := fr.(type) {
		case *http2.MetaHeadersFrame:
			if fr.StreamID == id {
				return fr.PseudoValue("status")
			}
		case *http2.RSTStreamFrame:
			if fr.StreamID == id {
				return fr.ErrCode.String()
			}
		case *http2.GoAwayFrame:
			return fr.ErrCode.String()
		}
	}
}

// TestHTTP2Refusals: what HTTP/1.1 is refused, HTTP/2 is too.
func TestHTTP2Refusals(t *testing.T) {
	r := start(t, Options{}, origin(t, echo))
	many := make([]string, 128)
	for i := range many {
		many[i] = "x: y"
	}
	for name, c := range map[string]struct {
		fields []string
		want   string
	}{
		"nothing is wrong":         {request("GET", "/"), "200"},
		"a length by another name": {request("GET", "/", "content_length: 5"), "PROTOCOL_ERROR"},
		"a proxy's name":           {request("GET", "/", "x_forwarded_for: 192.0.2.1"), "400"},
		"Proxy-Connection":         {request("GET", "/", "proxy_connection: close"), "400"},
		"Transfer-Encoding":        {request("GET", "/", "transfer-encoding: chunked"), "PROTOCOL_ERROR"},
		"too many fields":          {request("GET", "/", many...), "431"},
		"too large a head":         {request("GET", "/", append(append(append(append([]string{}, many...), many...), many...), strings.Split(strings.Repeat("x: y|", 2500)+"x: y", "|")...)...), "431"},
		"too large a field":        {request("GET", "/", "x: "+strings.Repeat("a", 17<<10)), "431"},
		"too long a path":          {request("GET", "/"+strings.Repeat("a", 17<<10)), "414"},
		"CONNECT":                  {[]string{":method: CONNECT", ":authority: x:1"}, "400"},
		"another expectation":      {request("GET", "/", "expect: more"), "417"},
		"dots behind escapes":      {request("GET", "/a/%2e%2e/../../x"), "400"},
		"no route":                 {[]string{":method: GET", ":scheme: http", ":authority: nobody.test", ":path: /"}, "404"},
	} {
		f := frames(t, r.addr)
		f.head(1, true, c.fields...)
		if got := f.hears(1); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	f := frames(t, r.addr)
	f.head(1, false, request("POST", "/chunked")...)
	f.must(f.WriteData(1, false, []byte("abc")))
	f.head(1, true, "x_forwarded_for: 192.0.2.1")
	if got := f.hears(1); got != "PROTOCOL_ERROR" {
		t.Errorf("trailers: %s", got)
	}
}

// TestRapidReset: who opens streams and resets them at once has no more work done
// for him than his streams may be, and is sent away.
func TestRapidReset(t *testing.T) {
	const most = 5
	var under, top atomic.Int64
	opts := Options{}
	opts.HTTP2.Streams = most
	r := start(t, opts, origin(t, func(w http.ResponseWriter, r *http.Request) {
		if n := under.Add(1); n > top.Load() {
			top.Store(n)
		}
		<-r.Context().Done()
		under.Add(-1)
	}))
	f := frames(t, r.addr)
	go func() { // until it is sent away
		for id := uint32(1); ; id += 2 {
			f.block.Reset()
			for _, field := range request("GET", "/") {
				name, value, _ := strings.Cut(field[1:], ": ")
				_ = f.enc.WriteField(hpack.HeaderField{Name: ":" + name, Value: value})
			}
			if f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.block.Bytes(), EndHeaders: true, EndStream: true}) != nil || f.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
				return
			}
		}
	}()
	for {
		fr, err := f.ReadFrame()
		if away, ok := fr.(*http2.GoAwayFrame); ok {
			if away.ErrCode != http2.ErrCodeEnhanceYourCalm {
				t.Errorf("sent away with %v", away.ErrCode)
			}
			break
		}
		if err != nil && !errors.As(err, new(http2.StreamError)) {
			t.Fatal(err)
		}
	}
	r.settled(false)
	if top.Load() > 4*most { // the backend hears of an end later than we know it
		t.Errorf("the backend had %d requests at once", top.Load())
	}
}

// TestUnreadOverHTTP2: a client that lets many answers wait is not given more
// memory than windows and buffers have, and others are served.
func TestUnreadOverHTTP2(t *testing.T) {
	r := start(t, Options{}, origin(t, func(w http.ResponseWriter, r *http.Request) {
		for piece, err := make([]byte, 64<<10), error(nil); err == nil; {
			_, err = w.Write(piece)
		}
	}))
	before := heap()
	f := frames(t, r.addr)
	f.must(f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1}))
	f.must(f.WriteWindowUpdate(0, 1<<31-1-65535))
	const streams = 100
	var all bytes.Buffer // sent at once: when answers wait, no more requests are looked at
	f.Framer = http2.NewFramer(&all, f.c.in)
	for i := range uint32(streams) {
		f.head(2*i+1, true, request("GET", "/")...)
	}
	f.c.say(all.String())
	for r.state.Load().pools[0].endpoints[0].InFlight() < streams {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(200 * time.Millisecond) // for as much to gather as would
	if used := int64(heap()) - int64(before); used > 40<<20 {
		t.Errorf("%d MiB for a client that reads nothing", used>>20)
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestNothingLeaksOverHTTP2: as TestNothingLeaks, with streams and connections that
// end at any moment on both sides, those of HTTP/1.1 before a backend of HTTP/2
// included, and bytes that would show if they crossed.
func TestNothingLeaksOverHTTP2(t *testing.T) {
	base, descriptors := runtime.NumGoroutine(), open(t)
	t.Run("all", func(t *testing.T) {
		hostile := func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, io.LimitReader(r.Body, int64(rand.IntN(100000)))); err != nil || rand.IntN(4) == 0 {
				panic(http.ErrAbortHandler)
			}
			for range rand.IntN(2000) {
				_, _ = io.WriteString(w, r.Header.Get("X-Tag"))
			}
			if rand.IntN(4) == 0 {
				panic(http.ErrAbortHandler)
			}
		}
		for protocol, addr := range []string{origin(t, hostile), origin2(t, hostile, nil)} {
			r := start(t, Options{})
			clients := r.over2()
			clients["http://"+r.Addrs()[1]] = client(t)
			r.lead(Pool{Protocol: Protocol(protocol)}, addr)
			var all sync.WaitGroup
			var whole atomic.Int64
			for url, c := range clients {
				for i := range 8 {
					all.Go(func() {
						for j := range 40 {
							if disturb(t, c, url, fmt.Sprintf("[%d.%d]", i, j)) {
								whole.Add(1)
							}
						}
					})
				}
			}
			all.Wait()
			if whole.Load() == 0 {
				t.Error("not one answer was complete")
			}
		}
	})
	nothingLeft(t, base, descriptors)
}

// disturb sends a request, and may give it up at any moment. It tells whether the
// answer was complete, and checks whose it is.
func disturb(t *testing.T, c *http.Client, url, tag string) bool {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if rand.IntN(3) == 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(5000))*time.Microsecond)
		defer cancel()
	}
	req, err := http.NewRequestWithContext(ctx, "POST", url, strings.NewReader(strings.Repeat("y", rand.IntN(100000))))
	if err != nil {
		t.Error(err)
		return false
	}
	req.Header.Set("X-Tag", tag)
	res, err := c.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if res.StatusCode == 200 && len(bytes.ReplaceAll(b, []byte(tag), nil)) >= len(tag) {
		t.Errorf("%s got %.80q", tag, b)
	}
	return err == nil && res.StatusCode == 200
}

// TestIdleMemoryOverHTTP2: a connection without streams keeps little.
func TestIdleMemoryOverHTTP2(t *testing.T) {
	const conns = 50
	r := start(t, Options{}, origin(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(make([]byte, 1<<20))
	}))
	known := &http2.Transport{AllowHTTP: true, DialTLSContext: func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	t.Cleanup(known.CloseIdleConnections)
	_, _ = fetch(t, &http.Client{Transport: known}, "GET", "http://"+r.addr, nil)
	heap()
	before := heap()
	var held []*framed
	for range conns {
		f := frames(t, r.addr)
		f.must(f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1}))
		f.must(f.WriteWindowUpdate(0, 1<<31-1-65535))
		f.head(1, true, request("GET", "/")...)
		for ended := false; !ended; {
			fr, err := f.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			ended = fr.Header().Flags.Has(http2.FlagDataEndStream) && fr.Header().StreamID == 1
		}
		held = append(held, f)
	}
	r.settled(true)
	heap() // pools give up what they hold, and clients what they read, at the second
	each := (int64(heap()) - int64(before)) / conns
	runtime.KeepAlive(held)
	if each > 60<<10 { // the test's own side of it is most of that
		t.Errorf("%d bytes for each connection", each)
	}
}

// TestEarlyAnswerOverHTTP2: a client whose request is answered before its end, and
// that sends nothing more, is told at once that nobody needs the rest.
func TestEarlyAnswerOverHTTP2(t *testing.T) {
	r := start(t, Options{})
	for protocol, addr := range []string{answersAt(t, ok), origin2(t, func(http.ResponseWriter, *http.Request) {}, nil)} {
		r.serve()
		r.lead(Pool{Protocol: Protocol(protocol)}, addr)
		f := frames(t, r.addr)
		f.head(1, false, request("POST", "/")...)
		begun := time.Now()
		if got := f.hears(1); got != "200" {
			t.Errorf("heard %s", got)
		}
		if got := f.hears(1); got != "NO_ERROR" {
			t.Errorf("after the answer: %s", got)
		}
		if took := time.Since(begun); took > 30*time.Second {
			t.Errorf("after %v", took)
		}
	}
}
