package engine

import (
	"bufio"
	"cmp"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// toAll leads every request to the first pool.
type toAll struct{}

func (toAll) Route(host, _ string) (Route, bool) { return Route{}, host != "nobody.test" }

// rig is an engine that runs, and what tests ask of it.
type rig struct {
	*Engine
	t    testing.TB
	addr string
	stop context.CancelFunc
	over chan error
}

// start runs an engine with one pool, on a port of the loopback of either family.
func start(t testing.TB, opts Options, endpoints ...string) *rig {
	t.Helper()
	opts.Driver = cmp.Or(opts.Driver, driver)
	opts.Listen, opts.ListenTLS = []string{"127.0.0.1:0", "[::1]:0"}, []string{"127.0.0.1:0"}
	e, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &rig{Engine: e, t: t, addr: e.Addrs()[0], stop: stop, over: make(chan error, 1)}
	r.serve(endpoints...)
	go func() { r.over <- e.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := r.ended(); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return r
}

// serve applies a Config with these endpoints.
func (r *rig) serve(endpoints ...string) { r.Apply(leadTo(endpoints...)) }

// leadTo leads everything to these endpoints.
func leadTo(endpoints ...string) Config {
	var addrs []netip.AddrPort
	for _, e := range endpoints {
		addrs = append(addrs, netip.MustParseAddrPort(e))
	}
	return Config{Router: toAll{}, Pools: []Pool{{Endpoints: addrs}}, MaxBody: 8 << 20}
}

// fit counts the idle connections to an endpoint that look fit for use.
func (r *rig) fit(e *endpoint) (n int) {
	e.mu.Lock()
	for _, b := range e.idle {
		if peek(b.TCPConn) == silent {
			n++
		}
	}
	e.mu.Unlock()
	for _, w := range r.workers {
		w.loop.Call(r.t.Context(), func() {
			for _, u := range e.stocks[w.number].idle {
				if look(u.fd) == silent {
					n++
				}
			}
		})
	}
	return n
}

// ended waits for Run.
func (r *rig) ended() error {
	select {
	case err := <-r.over:
		r.over <- err
		return err
	case <-time.After(time.Minute):
		r.t.Fatal("Run does not end")
		return nil
	}
}

// origin is a server of net/http on the loopback.
func origin(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.Listener.Addr().String()
}

// client is a client of net/http with connections of its own.
func client(t *testing.T) *http.Client {
	tr := &http.Transport{ExpectContinueTimeout: time.Minute, MaxIdleConnsPerHost: 100}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute}
}

// raw is a connection on which a test writes what it likes.
type raw struct {
	*net.TCPConn
	in *bufio.Reader
	t  *testing.T
}

func dial(t *testing.T, addr string) *raw {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return &raw{c.(*net.TCPConn), bufio.NewReader(c), t}
}

func (c *raw) say(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// hears reads one answer.
func (c *raw) hears(method string) (status int, body string, res *http.Response) {
	c.t.Helper()
	res, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		c.t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return res.StatusCode, string(b), res
}

// isClosed waits for the end of the connection.
func (c *raw) isClosed() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.in); err != nil || len(rest) > 0 {
		c.t.Errorf("at the end of the connection: %q, %v", rest, err)
	}
}

// do sends a request by net/http and returns the answer's status and body.
func (r *rig) do(c *http.Client, method, path, body string) (int, string) {
	r.t.Helper()
	status, answer, err := r.attempt(c, method, path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	return status, answer
}

// attempt is do for any goroutine.
func (r *rig) attempt(c *http.Client, method, path, body string) (int, string, error) {
	req, err := http.NewRequest(method, "http://"+r.addr+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// script is an origin that answers each request on a connection with the next
// text, and then closes it. It counts what it read.
type script struct {
	addr string
	mu   sync.Mutex
	seen []string
}

func scripted(t *testing.T, answers ...string) *script {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := &script{addr: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.play(c, answers)
		}
	}()
	return s
}

func (s *script) play(c net.Conn, answers []string) {
	defer c.Close()
	in := bufio.NewReader(c)
	for _, answer := range answers {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.seen = append(s.seen, req.Method+" "+req.RequestURI)
		s.mu.Unlock()
		_, _ = io.Copy(io.Discard, req.Body)
		_, _ = io.WriteString(c, answer)
	}
}

func (s *script) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.seen...)
}
