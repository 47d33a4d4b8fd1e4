package engine

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestHeadOnce: no second answer follows one whose head the client has, although
// the request might be asked again.
func TestHeadOnce(t *testing.T) {
	r := start(t, Options{})
	var asked atomic.Int64
	addr, _ := playing(t, func(fr *http2.Framer, id uint32, path string) {
		if path == "/first" {
			_ = fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			answerOn(fr, id, true)
			return
		}
		asked.Add(1)
		answerOn(fr, id, false) // before the body can be sent
		_ = fr.WriteWindowUpdate(id, 10)
		time.Sleep(200 * time.Millisecond)
		_ = fr.WriteRSTStream(id, http2.ErrCodeInternal)
	})
	r.lead(Pool{Protocol: HTTP2}, addr)
	if code, _ := r.do(client(t), "GET", "/first", ""); code != 200 {
		t.Fatal(code)
	}
	conn := dial(t, r.addr)
	conn.say("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
	b, _ := io.ReadAll(conn.in)
	if n := strings.Count(string(b), "HTTP/1.1 200"); n != 1 || asked.Load() != 1 {
		t.Errorf("%d answers, asked %d times: %q", n, asked.Load(), b)
	}
}

// corked gathers what is written until it is flushed.
type corked struct {
	net.Conn
	out *bufio.Writer
}

func (c *corked) Write(b []byte) (int, error) { return c.out.Write(b) }

// TestUnreadRecords: a connection over TLS is not used again if an endpoint sent
// more than its answer, though TLS has read it off the socket already.
func TestUnreadRecords(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.issue(t, "backend.test")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				cork := &corked{c, bufio.NewWriterSize(c, 64<<10)}
				s := tls.Server(flushing{cork}, &tls.Config{Certificates: []tls.Certificate{*cert}})
				for in := bufio.NewReader(s); ; {
					if _, err := http.ReadRequest(in); err != nil {
						return
					}
					_, _ = io.WriteString(s, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
					_, _ = io.WriteString(s, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
				}
			}()
		}
	}()
	r := start(t, Options{})
	r.lead(Pool{TLS: &BackendTLS{Name: "backend.test", Roots: ca.pool()}}, l.Addr().String())
	c := client(t)
	for range 4 {
		if code, body := r.do(c, "GET", "/", ""); code != 200 || body != "ok" {
			t.Errorf("%d %q", code, body)
		}
	}
}

// flushing flushes before it reads.
type flushing struct{ *corked }

func (c flushing) Read(b []byte) (int, error) {
	_ = c.out.Flush()
	return c.Conn.Read(b)
}

// TestIdleWithPings: what is no request does not keep a connection.
func TestIdleWithPings(t *testing.T) {
	r := start(t, Options{Idle: 300 * time.Millisecond, Header: 300 * time.Millisecond}, origin(t, echo))
	for _, asks := range []bool{false, true} {
		f := frames(t, r.addr)
		if asks {
			f.head(1, true, request("GET", "/")...)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for {
				if _, err := f.ReadFrame(); err != nil {
					return
				}
			}
		}()
		for i, over := 0, false; !over; i++ {
			select {
			case <-ended:
				over = true
			case <-time.After(50 * time.Millisecond):
				_ = f.WritePing(false, [8]byte{})
			}
			if i > 200 {
				t.Fatalf("it is still there; asked: %v", asks)
			}
		}
	}
}

// TestManyAtOnce: more requests at once than fit the first connections to an
// endpoint are all answered, each on the first try.
func TestManyAtOnce(t *testing.T) {
	opts := Options{}
	opts.HTTP2.Streams = 3
	back, r := start(t, opts), start(t, Options{})
	var once sync.Map
	const most = 100
	var under atomic.Int64
	back.serve(origin(t, func(w http.ResponseWriter, r *http.Request) {
		if _, again := once.LoadOrStore(r.URL.Path, true); again {
			t.Error("asked twice", r.URL.Path)
		}
		under.Add(1)
		for under.Load() < most && r.Context().Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
	}))
	r.lead(Pool{Protocol: HTTP2}, back.addr)
	var all sync.WaitGroup
	var bad atomic.Int64
	for i := range most {
		all.Go(func() {
			req, _ := http.NewRequest("POST", fmt.Sprintf("http://%s/%d", r.addr, i), io.MultiReader(strings.NewReader("x")))
			res, err := client(t).Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			b, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if res.StatusCode != 200 {
				under.Add(1)
				if bad.Add(1) < 4 {
					t.Errorf("%d %s", res.StatusCode, b)
				}
			}
		})
	}
	all.Wait()
	if bad.Load() > 0 {
		t.Errorf("%d of %d failed", bad.Load(), most)
	}
}

// TestNoStreams: an endpoint that takes no streams gets few connections.
func TestNoStreams(t *testing.T) {
	r := start(t, Options{})
	addr, conns := playing(t, func(fr *http2.Framer, id uint32, path string) {
		_ = fr.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0})
		_ = fr.WriteRSTStream(id, http2.ErrCodeRefusedStream)
	})
	r.lead(Pool{Protocol: HTTP2}, addr)
	for range 20 {
		code, body := r.do(client(t), "GET", "/", "")
		_, _ = code, body
	}
	e := r.state.Load().pools[0].endpoints[0]
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := len(e.sessions); n > 3 {
		t.Errorf("%d connections are open, of %d", n, conns.Load())
	}
}

// TestAcceptsAndIsMute: who takes connections and says nothing has taken none.
func TestAcceptsAndIsMute(t *testing.T) {
	r := start(t, Options{Connect: 300 * time.Millisecond})
	r.lead(Pool{Protocol: HTTP2}, mute(t), origin2(t, echo, nil))
	for range 3 {
		if code, body := r.do(client(t), "POST", "/chunked", "x"); code != 200 {
			t.Errorf("%d %s", code, body)
		}
	}
}

// TestEarlyAnswerWithoutWindow: an answer counts although its endpoint does not
// take the body.
func TestEarlyAnswerWithoutWindow(t *testing.T) {
	r := start(t, Options{Client: 4 * time.Second})
	addr, _ := playing(t, func(fr *http2.Framer, id uint32, path string) {
		_ = fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		answerOn(fr, id, true)
		if path == "/reset" {
			_ = fr.WriteRSTStream(id, http2.ErrCodeNo)
		}
	})
	r.lead(Pool{Protocol: HTTP2}, addr)
	for _, path := range []string{"/first", "/reset", "/quiet"} {
		if code, body := r.do(client(t), "POST", path, "hello"); code != 200 {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
}

// TestRetiredMeanwhile: a connection that a request opens to an endpoint after a swap
// that does not name it ends with that request.
func TestRetiredMeanwhile(t *testing.T) {
	r := start(t, Options{})
	r.lead(Pool{Protocol: HTTP2}, origin2(t, echo, nil))
	before := r.state.Load()
	r.serve(scripted(t, ok).addr)
	c := newConn(r.Engine, dial(t, r.addr).TCPConn, false)
	c.in.fill(strings.NewReader("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), smallBuffer, smallBuffer)
	if p, err := c.server.Next(c.in.bytes(), &c.req); err != nil {
		t.Fatal(p, err)
	}
	r.state.Store(before) // as it was when the request began
	c.exchange()
	for _, e := range before.endpoints {
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			e.mu.Lock()
			n := len(e.sessions)
			e.mu.Unlock()
			if n == 0 {
				break
			}
			if time.Now().After(end) {
				t.Fatal("the connection is kept")
			}
		}
	}
}

// TestAuthoritySwap: a session does not go on that was begun with a certificate
// of an authority that is not trusted any more.
func TestAuthoritySwap(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		r := start(t, Options{})
		addr, ca := r.secured(origin(t, echo))
		a, b := newAuthority(t), newAuthority(t)
		cfg := r.state.Load().Config
		cfg.TLS.ClientAuth, cfg.TLS.ClientCAs = tls.RequireAndVerifyClientCert, a.pool()
		r.Apply(cfg)
		me := &tls.Config{RootCAs: ca.pool(), ServerName: "shop.test", MaxVersion: version, Certificates: []tls.Certificate{*a.issue(t, "me")}, ClientSessionCache: tls.NewLRUClientSessionCache(4)}
		ask := func() (resumed bool, err error) {
			c := tls.Client(dial(t, addr), me)
			defer c.Close()
			if _, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				return
			}
			_, err = http.ReadResponse(bufio.NewReader(c), nil)
			return c.ConnectionState().DidResume, err
		}
		for range 2 {
			if _, err := ask(); err != nil {
				t.Fatal(err)
			}
		}
		cfg.TLS.ClientCAs = b.pool()
		r.Apply(cfg)
		if resumed, err := ask(); err == nil {
			t.Errorf("version %x: it is let in, resumed: %t", version, resumed)
		}
	}
}
