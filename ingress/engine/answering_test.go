package engine

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/steelyard-lb/steelyard/ingress/http/h2"
)

// origin2 is a server of net/http that speaks HTTP/2, over TLS if there is a
// certificate.
func origin2(t *testing.T, h http.HandlerFunc, cfg *tls.Config) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(cfg == nil)
	s.Config.Protocols.SetHTTP2(cfg != nil)
	if s.TLS = cfg; cfg != nil {
		cfg.NextProtos = []string{"h2"}
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// lead has an engine ask these endpoints, in this way.
func (r *rig) lead(how Pool, endpoints ...string) {
	cfg := r.state.Load().Config
	for _, e := range endpoints {
		how.Endpoints = append(how.Endpoints, netip.MustParseAddrPort(e))
	}
	cfg.Pools = []Pool{how}
	r.Apply(cfg)
}

// TestBackends: clients of either version over endpoints of either version, with
// TLS and without.
func TestBackends(t *testing.T) {
	r := start(t, Options{})
	clients := r.over2()
	clients["http://"+r.Addrs()[1]] = client(t)
	ca := newAuthority(t)
	server := func() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{*ca.issue(t, "backend.test")}} }
	one := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	one.TLS = server()
	one.StartTLS()
	t.Cleanup(one.Close)
	meet := &BackendTLS{Name: "backend.test", Roots: ca.pool()}
	large := strings.Repeat("0123456789abcdef", 64<<10)
	for name, b := range map[string]struct {
		how  Pool
		addr string
	}{
		"h2c":           {Pool{Protocol: HTTP2}, origin2(t, echo, nil)},
		"h2":            {Pool{Protocol: HTTP2, TLS: meet}, origin2(t, echo, server())},
		"https":         {Pool{TLS: meet}, one.Listener.Addr().String()},
		"https by addr": {Pool{TLS: &BackendTLS{Roots: ca.pool()}}, one.Listener.Addr().String()},
	} {
		r.lead(b.how, b.addr)
		for url, c := range clients {
			_, host, _ := strings.Cut(url, "//")
			for _, q := range []struct {
				method, path, want string
				body               io.Reader
			}{
				{"GET", "/a?b=c", "GET /a?b=c " + host + " 0\n", nil},
				{"POST", "/p", "POST /p " + host + " 5\nhello", strings.NewReader("hello")},
				{"PUT", "/p", fmt.Sprintf("PUT /p %s %d\n%s", host, len(large), large), strings.NewReader(large)},
				{"POST", "/chunked", large, io.MultiReader(strings.NewReader(large))},
				{"HEAD", "/", "", nil},
				{"GET", "/204", "", nil},
			} {
				if res, body := fetch(t, c, q.method, url+q.path, q.body); body != q.want || res.StatusCode/100 != 2 {
					t.Errorf("%s, %s: %s %s: %d %.100q, want %.100q", url, name, q.method, q.path, res.StatusCode, body, q.want)
				}
			}
			req, _ := http.NewRequest("POST", url+"/chunked", io.MultiReader(strings.NewReader("abc")))
			req.Trailer = http.Header{"X-Sum": {"7"}}
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if string(body) != "abc" || err != nil || res.Header.Get("X-Trailer") != "7" || res.Trailer.Get("X-End") != "yes" {
				t.Errorf("%s, %s: %q, %v, %v, trailers %v", url, name, body, err, res.Header, res.Trailer)
			}
		}
	}
}

// TestBackendIdentity: an endpoint is not asked that shows the wrong certificate,
// or does not speak HTTP/2; one that wants to see ours does.
func TestBackendIdentity(t *testing.T) {
	r := start(t, Options{})
	ca := newAuthority(t)
	ours := ca.issue(t, "proxy.test")
	demanding := origin2(t, echo, &tls.Config{Certificates: []tls.Certificate{*ca.issue(t, "backend.test")}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool()})
	other := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	other.TLS = &tls.Config{Certificates: []tls.Certificate{*ca.issue(t, "backend.test")}, NextProtos: []string{"http/1.1"}}
	other.StartTLS()
	t.Cleanup(other.Close)
	for _, c := range []struct {
		name string
		tls  BackendTLS
		addr string
		want int
	}{
		{"all is well", BackendTLS{Name: "backend.test", Roots: ca.pool(), Certificate: ours}, demanding, 200},
		{"no certificate of ours", BackendTLS{Name: "backend.test", Roots: ca.pool()}, demanding, 502},
		{"another name", BackendTLS{Name: "other.test", Roots: ca.pool(), Certificate: ours}, demanding, 502},
		{"another authority", BackendTLS{Name: "backend.test", Roots: newAuthority(t).pool(), Certificate: ours}, demanding, 502},
		{"nobody looks", BackendTLS{Certificate: ours, Insecure: true}, demanding, 200},
		{"no HTTP/2", BackendTLS{Name: "backend.test", Roots: ca.pool()}, other.Listener.Addr().String(), 502},
	} {
		r.lead(Pool{Protocol: HTTP2, TLS: &c.tls}, c.addr)
		if status, _ := r.do(client(t), "GET", "/", ""); status != c.want {
			t.Errorf("%s: %d, want %d", c.name, status, c.want)
		}
	}
}

// TestGRPC: calls of every kind, with deadlines, metadata and statuses, from
// grpc-go to grpc-go.
func TestGRPC(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		md, _ := metadata.FromIncomingContext(s.Context())
		s.SetTrailer(metadata.Pairs("x-said", strings.Join(md.Get("x-say"), ",")))
		for {
			var m wrapperspb.StringValue
			if err := s.RecvMsg(&m); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			if m.Value == "fail" {
				return status.Error(codes.FailedPrecondition, "as you like")
			}
			if err := s.SendMsg(&m); err != nil {
				return err
			}
		}
	}))
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	r := start(t, Options{})
	r.lead(Pool{Protocol: HTTP2}, l.Addr().String())
	conn, err := grpc.Dial(r.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(context.Background(), "x-say", "word"), time.Minute)
	defer cancel()
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			s, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/test.Echo/Talk")
			if err != nil {
				t.Error(err)
				return
			}
			for k := range 20 { // each answer before the next word
				word := strings.Repeat(fmt.Sprint(i, k), 1000*k)
				var m wrapperspb.StringValue
				if err := errors.Join(s.SendMsg(wrapperspb.String(word)), s.RecvMsg(&m)); err != nil || m.Value != word {
					t.Errorf("%d: %v", k, err)
					return
				}
			}
			if err := s.CloseSend(); err != nil {
				t.Error(err)
			}
			if err := s.RecvMsg(new(wrapperspb.StringValue)); !errors.Is(err, io.EOF) || fmt.Sprint(s.Trailer().Get("x-said")) != "[word]" {
				t.Errorf("at the end: %v, trailers %v", err, s.Trailer())
			}
		})
	}
	all.Wait()
	var m wrapperspb.StringValue
	if err := conn.Invoke(ctx, "/test.Echo/Say", wrapperspb.String("hello"), &m); err != nil || m.Value != "hello" {
		t.Errorf("%q, %v", m.Value, err)
	}
	if err := conn.Invoke(ctx, "/test.Echo/Say", wrapperspb.String("fail"), &m); status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "as you like") {
		t.Errorf("%v", err)
	}
}

// TestSharedConnection: requests of many clients share few connections to an
// endpoint, and one that does not read its answer does not keep others waiting.
func TestSharedConnection(t *testing.T) {
	r := start(t, Options{})
	var peers sync.Map
	r.lead(Pool{Protocol: HTTP2}, origin2(t, func(w http.ResponseWriter, r *http.Request) {
		peers.Store(r.RemoteAddr, true)
		if r.URL.Path != "/large" {
			echo(w, r)
			return
		}
		for piece, err := make([]byte, 64<<10), error(nil); err == nil; {
			_, err = w.Write(piece)
		}
	}, nil))
	for range 20 { // more than the window of a connection is by default
		lazy := dial(t, r.addr)
		lazy.say("GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := lazy.in.Peek(1); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			c := client(t)
			for range 20 {
				if code, body, err := r.attempt(c, "POST", "/chunked", "hello"); code != 200 || body != "hello" || err != nil {
					t.Errorf("%d %q, %v", code, body, err)
				}
			}
		})
	}
	all.Wait()
	n := 0
	peers.Range(func(any, any) bool { n++; return true })
	if n > 2 {
		t.Errorf("%d connections", n)
	}
}

// playing is an endpoint of HTTP/2 that does with each head what play says.
func playing(t *testing.T, play func(fr *http2.Framer, id uint32, path string)) (addr string, conns *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	conns = new(atomic.Int64)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Add(1)
			go func() {
				defer c.Close()
				_, _ = io.ReadFull(c, make([]byte, len(http2.ClientPreface)))
				fr := http2.NewFramer(c, c)
				fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
				_ = fr.WriteSettings()
				for {
					f, err := fr.ReadFrame()
					if err != nil {
						return
					}
					switch f := f.(type) {
					case *http2.SettingsFrame:
						if !f.IsAck() {
							_ = fr.WriteSettingsAck()
						}
					case *http2.MetaHeadersFrame:
						play(fr, f.StreamID, f.PseudoValue("path"))
					}
				}
			}()
		}
	}()
	return l.Addr().String(), conns
}

func answerOn(fr *http2.Framer, id uint32, end bool) {
	var block bytes.Buffer
	_ = hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: end})
}

// TestRefusedStream: what an endpoint refused before it looked at it is asked
// again, whatever the method; what it began to answer is not.
func TestRefusedStream(t *testing.T) {
	r := start(t, Options{})
	var asked atomic.Int64
	addr, _ := playing(t, func(fr *http2.Framer, id uint32, path string) {
		switch n := asked.Add(1); {
		case path == "/begun":
			answerOn(fr, id, false)
			_ = fr.WriteRSTStream(id, http2.ErrCodeRefusedStream)
		case path == "/broken":
			_ = fr.WriteRSTStream(id, http2.ErrCodeInternal)
		case n == 1:
			_ = fr.WriteRSTStream(id, http2.ErrCodeRefusedStream)
		default:
			answerOn(fr, id, true)
		}
	})
	r.lead(Pool{Protocol: HTTP2}, addr)
	c := client(t)
	if code, _ := r.do(c, "POST", "/", "x"); code != 200 || asked.Load() != 2 {
		t.Errorf("refused once: %d, asked %d times", code, asked.Load())
	}
	asked.Store(1)
	if _, _, err := r.attempt(c, "POST", "/begun", "x"); err == nil || asked.Load() != 2 {
		t.Errorf("refused when it had begun: %v, asked %d times", err, asked.Load()-1)
	}
	asked.Store(1)
	if code, _ := r.do(c, "POST", "/broken", "x"); code != 502 || asked.Load() != 2 {
		t.Errorf("broken: %d, asked %d times", code, asked.Load()-1)
	}
}

// TestGoAwayOfBackend: what an endpoint said it looks at goes on, what it does not
// is asked again on another connection.
func TestGoAwayOfBackend(t *testing.T) {
	r := start(t, Options{})
	held := make(chan uint32, 2)
	addr, conns := playing(t, func(fr *http2.Framer, id uint32, path string) {
		switch {
		case path == "/first":
			held <- id
		case len(held) > 0:
			first := <-held
			_ = fr.WriteGoAway(first, http2.ErrCodeNo, nil)
			answerOn(fr, first, true)
		default:
			answerOn(fr, id, true)
		}
	})
	r.lead(Pool{Protocol: HTTP2}, addr)
	first := make(chan int)
	go func() {
		code, _, _ := r.attempt(client(t), "POST", "/first", "x")
		first <- code
	}()
	for len(held) == 0 {
		time.Sleep(time.Millisecond)
	}
	if code, _ := r.do(client(t), "POST", "/second", "x"); code != 200 {
		t.Errorf("what it did not look at: %d", code)
	}
	if code := <-first; code != 200 || conns.Load() != 2 {
		t.Errorf("what it looked at: %d; %d connections", code, conns.Load())
	}
}

// TestUpgradeToHTTP2: a backend of HTTP/2 is not asked for an upgrade.
func TestUpgradeToHTTP2(t *testing.T) {
	r := start(t, Options{})
	r.lead(Pool{Protocol: HTTP2}, origin2(t, echo, nil))
	conn := dial(t, r.addr)
	conn.say("GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
	if code, body, _ := conn.hears("GET"); code != 501 {
		t.Errorf("%d %q", code, body)
	}
}

// TestHeadsComeFirst: many short answers at once over shared connections, more than
// one of which may have to be opened; each is whole.
func TestHeadsComeFirst(t *testing.T) {
	opts := Options{}
	opts.HTTP2.Streams = 20
	back, r := start(t, opts, scripted(t).addr), start(t, Options{})
	back.serve(origin(t, echo))
	clients := r.over2()
	r.lead(Pool{Protocol: HTTP2}, back.addr)
	var all sync.WaitGroup
	for url, c := range clients {
		for range 30 {
			all.Go(func() {
				for range 100 {
					if res, body, err := get(c, url+"/chunked"); err != nil || res.StatusCode != 200 || body != "" {
						t.Errorf("%q, %v", body, err)
						return
					}
					if res, body, err := get(c, url+"/x"); err != nil || res.StatusCode != 200 || !strings.HasPrefix(body, "GET /x ") {
						t.Errorf("%q, %v", body, err)
						return
					}
				}
			})
		}
	}
	all.Wait()
}

// TestRetiredEndpoint: an endpoint of HTTP/2 that is named no more finishes what it
// has, and then keeps no connection.
func TestRetiredEndpoint(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	r := start(t, Options{})
	r.lead(Pool{Protocol: HTTP2}, origin2(t, func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-finish
		echo(w, r)
	}, nil))
	old := r.state.Load().pools[0].endpoints[0]
	answer := make(chan string)
	go func() {
		code, body, err := r.attempt(client(t), "GET", "/", "")
		answer <- fmt.Sprintf("%d %.5s %v", code, body, err)
	}()
	<-begun
	r.lead(Pool{}, origin(t, echo))
	close(finish)
	if got := <-answer; got != "200 GET / <nil>" {
		t.Error(got)
	}
	over := make(chan struct{})
	go func() { old.serving.Wait(); close(over) }()
	select {
	case <-over:
	case <-time.After(30 * time.Second): // it would be idle for a minute
		t.Error("a connection to an endpoint that is gone was kept")
	}
	if late, err := old.open(&r.opts); err != nil { // by a request that began before
		t.Error(err)
	} else {
		late.done(false)
	}
	old.serving.Wait()
}

// TestConnectionEndsBeforeTheStream: a connection that breaks when a stream on it
// was found and not yet opened takes none.
func TestConnectionEndsBeforeTheStream(t *testing.T) {
	r := start(t, Options{})
	r.lead(Pool{Protocol: HTTP2}, origin2(t, echo, nil))
	a, err := r.state.Load().pools[0].endpoints[0].open(&r.opts)
	if err != nil {
		t.Fatal(err)
	}
	a.s.cut()
	if a.open(&h2.Head{Method: []byte("GET"), Scheme: []byte("http"), Path: []byte("/"), Authority: []byte("x")}, true) == nil {
		t.Error("a stream was opened on a connection that is over")
	}
}

// TestLostSoon: a connection of HTTP/2 to an endpoint ends soon if nobody acknowledges
// what is sent.
func TestLostSoon(t *testing.T) {
	r := start(t, Options{})
	r.lead(Pool{Protocol: HTTP2}, origin2(t, echo, nil))
	if status, _ := r.do(client(t), "GET", "/", ""); status != 200 {
		t.Fatal(status)
	}
	for _, e := range r.state.Load().endpoints {
		e.mu.Lock()
		raw, err := e.sessions[0].tcp.SyscallConn()
		e.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		var got int
		_ = raw.Control(func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT) })
		if time.Duration(got)*time.Millisecond != lostAfter || err != nil {
			t.Errorf("%d ms, %v", got, err)
		}
	}
}
