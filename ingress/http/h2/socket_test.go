package h2

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/steelyard-lb/steelyard/ingress/http/hpack"
)

// echo is what is still to be sent on a stream.
type echo struct {
	rest     []byte
	ended    bool // nothing more comes
	trailers []hpack.Field
}

// serve is the smallest driver there can be: it blocks, and has one connection.
// GET /N is answered with N bytes, POST with what was sent and its trailers.
func serve(conn net.Conn) error {
	defer conn.Close()
	c := NewServer(DefaultLimits(), &Scratch{})
	streams := map[uint32]*echo{}
	in, buf := []byte(nil), make([]byte, 16<<10)
	push := func(id uint32) {
		e := streams[id]
		if e == nil {
			return // reset meanwhile
		}
		n, err := c.Send(id, e.rest, e.ended && e.trailers == nil)
		if e.rest = e.rest[n:]; err != nil || e.ended && len(e.rest) == 0 {
			delete(streams, id)
		}
		if c.Consumed(id, n); err == nil && len(e.rest) == 0 && e.trailers != nil {
			_ = c.Trailers(id, e.trailers)
		}
	}
	for !c.Done() {
		if _, err := conn.Write(c.Output()); err != nil {
			return err
		}
		c.Wrote(len(c.Output()))
		for {
			ev, n, err := c.Next(in, time.Now())
			if err != nil {
				_, _ = conn.Write(c.Output())
				return err
			}
			switch ev.Kind {
			case Request:
				size, _ := strconv.Atoi(strings.TrimPrefix(string(ev.Head.Path), "/"))
				streams[ev.Stream] = &echo{rest: text(1, 0, size), ended: ev.End}
				if err := c.Respond(ev.Stream, 200, fields("X-Method", string(ev.Head.Method)), false); err != nil {
					return err
				}
				push(ev.Stream)
			case Data:
				e := streams[ev.Stream]
				e.rest, e.ended = append(e.rest, ev.Data...), ev.End
				push(ev.Stream)
			case Trailers:
				e := streams[ev.Stream]
				for _, f := range ev.Fields {
					e.trailers = append(e.trailers, hpack.Field{Name: bytes.Clone(f.Name), Value: bytes.Clone(f.Value)})
				}
				e.ended = true
				push(ev.Stream)
			case Reset:
				delete(streams, ev.Stream)
			case Writable:
				push(ev.Stream)
			}
			in = in[n:]
			if ev.Kind == None {
				break
			}
		}
		if len(c.Output()) > 0 {
			continue // there was room for more than one write
		}
		n, err := conn.Read(buf)
		if in = append(bytes.Clone(in), buf[:n]...); err != nil {
			return err
		}
	}
	return nil
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// TestGoClient lets Go's own client talk to the server's side.
func TestGoClient(t *testing.T) {
	l := listen(t)
	ended := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			err = serve(conn)
		}
		ended <- err
	}()
	transport := &http2.Transport{AllowHTTP: true, DialTLSContext: func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	client, url := &http.Client{Transport: transport}, "http://"+l.Addr().String()
	var all sync.WaitGroup
	for i, size := range []int{0, 1, 1000, 16384, 200000, 3000000, 70000, 5} {
		all.Go(func() {
			resp, err := client.Get(fmt.Sprint(url, "/", size))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if b, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(b, text(1, 0, size)) || resp.Header.Get("x-method") != "GET" {
				t.Errorf("%d: %d of %d bytes, %v", i, len(b), size, err)
			}
		})
		all.Go(func() {
			req, err := http.NewRequest("POST", url+"/0", io.LimitReader(bytes.NewReader(text(3, 0, size+1)), int64(size+1)))
			if err != nil {
				t.Error(err)
				return
			}
			req.Trailer = http.Header{"X-Sum": {"7"}}
			resp, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if b, err := io.ReadAll(resp.Body); err != nil || !sameText(b, 3, 0) || len(b) != size+1 || resp.Trailer.Get("x-sum") != "7" {
				t.Errorf("%d: %d of %d bytes came back, trailers %v, %v", i, len(b), size+1, resp.Trailer, err)
			}
		})
	}
	all.Wait()
	transport.CloseIdleConnections()
	var wrong *Error
	if err := <-ended; errors.As(err, &wrong) {
		t.Errorf("the server's side: %v", err)
	}
}

// TestGoServer lets the client's side talk to Go's own server.
func TestGoServer(t *testing.T) {
	l := listen(t)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		n, err := io.Copy(w, r.Body)
		w.Header().Set("X-Sum", fmt.Sprint(n, " ", err, " ", r.Host))
	})
	server := &http.Server{Handler: handler, Protocols: new(http.Protocols)}
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := NewClient(DefaultLimits(), &Scratch{})
	const size, requests = 300000, 5
	sent, got, sums := map[uint32]int{}, map[uint32]int{}, map[uint32]string{}
	push := func(id uint32) {
		n, err := c.Send(id, text(id, sent[id], size-sent[id]), true)
		if sent[id] += n; err != nil {
			t.Fatal(err)
		}
	}
	for range requests {
		head := get("/")
		head.Method = []byte("POST")
		id, err := c.Open(head, false)
		if err != nil {
			t.Fatal(err)
		}
		push(id)
	}
	in, buf := []byte(nil), make([]byte, 32<<10)
	for c.Streams() > 0 {
		if _, err := conn.Write(c.Output()); err != nil {
			t.Fatal(err)
		}
		c.Wrote(len(c.Output()))
		for {
			ev, n, err := c.Next(in, start)
			if err != nil {
				t.Fatal(err)
			}
			switch ev.Kind {
			case Data:
				if !sameText(ev.Data, ev.Stream, got[ev.Stream]) {
					t.Fatalf("stream %d has other bytes at %d", ev.Stream, got[ev.Stream])
				}
				got[ev.Stream] += len(ev.Data)
				c.Consumed(ev.Stream, len(ev.Data))
			case Trailers:
				sums[ev.Stream] = string(ev.Fields[0].Value)
			case Reset:
				t.Fatalf("stream %d: %v, %s", ev.Stream, ev.Code, ev.Reason)
			case Writable:
				push(ev.Stream)
			}
			in = in[n:]
			if ev.Kind == None {
				break
			}
		}
		if len(c.Output()) > 0 || c.Streams() == 0 {
			continue
		}
		n, err := conn.Read(buf)
		if in = append(bytes.Clone(in), buf[:n]...); err != nil {
			t.Fatal(err)
		}
	}
	for id := uint32(1); id < 2*requests; id += 2 {
		if got[id] != size || sums[id] != fmt.Sprint(size, " <nil> example.com") {
			t.Errorf("stream %d: %d bytes came back, trailers %q", id, got[id], sums[id])
		}
	}
}
