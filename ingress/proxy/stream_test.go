package proxy

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestStreams(t *testing.T) {
	next := make(chan string)
	r := start(t)
	r.serve(map[string][]string{"a.test/": {backend(t, func(w http.ResponseWriter, _ *http.Request) {
		for s := range next {
			_, _ = io.WriteString(w, s)
			_ = http.NewResponseController(w).Flush()
		}
		w.Header().Set(http.TrailerPrefix+"X-Sum", "42")
	})}})
	for _, h2 := range []bool{false, true} {
		res, err := func() (*http.Response, error) {
			go func() { next <- "one" }()
			return r.client(0, h2).Get("https://a.test/")
		}()
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 3)
		for _, want := range []string{"one", "two", "six"} {
			if want != "one" {
				next <- want
			}
			if _, err := io.ReadFull(res.Body, buf); err != nil || string(buf) != want {
				t.Fatalf("got %q, %v before the backend went on; want %q", buf, err, want)
			}
		}
		close(next)
		if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 || res.Trailer.Get("X-Sum") != "42" {
			t.Errorf("rest %q, %v, trailer %v", rest, err, res.Trailer)
		}
		_ = res.Body.Close()
		next = make(chan string)
	}
}

// A conversation: the answer begins before the request has ended, over
// HTTP/1.1 too.
func TestBidirectional(t *testing.T) {
	r := start(t)
	r.serve(map[string][]string{"a.test/": {backend(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.EnableFullDuplex()
		buf := make([]byte, 64<<10)
		for {
			n, err := r.Body.Read(buf)
			_, _ = w.Write(buf[:n])
			_ = rc.Flush()
			if err != nil {
				return
			}
		}
	})}})
	for _, h2 := range []bool{false, true} {
		body, say := io.Pipe()
		go func() { _, _ = say.Write([]byte("first")) }()
		res, err := r.client(0, h2).Post("https://a.test/", "text/plain", body)
		if err != nil {
			t.Fatal(err)
		}
		big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB, more than all buffers
		for _, part := range [][]byte{[]byte("first"), []byte("second"), big} {
			if string(part) != "first" {
				go func() { _, _ = say.Write(part) }()
			}
			got := make([]byte, len(part))
			if _, err := io.ReadFull(res.Body, got); err != nil || !bytes.Equal(got, part) {
				t.Fatalf("h2 %v: %d bytes did not come back as they were: %v", h2, len(part), err)
			}
		}
		_ = say.Close()
		if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
			t.Errorf("h2 %v: the end: %q, %v", h2, rest, err)
		}
		_ = res.Body.Close()
	}
}

// A backend that refuses an upload without reading it is heard.
func TestEarlyAnswer(t *testing.T) {
	r := start(t)
	r.serve(map[string][]string{"a.test/": {backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	})}})
	for i := range 20 {
		code, body := do(t, r.client(0, true), http.MethodPost, "https://a.test/", bytes.NewReader(make([]byte, 100<<10)))
		if code != 413 || body != "too large\n" {
			t.Fatalf("round %d: %d %q", i, code, body)
		}
	}
}

func TestClientThatDoesNotWait(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	r := start(t)
	r.serve(map[string][]string{"a.test/": {backend(t, func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		close(ended)
	})}})
	plain, _ := r.Addrs()
	c, err := net.Dial("tcp", plain[0])
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Write([]byte("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"))
	<-began
	_ = c.Close()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Fatal("the backend still works for a client that left")
	}
	eventually(t, "code 499 in the log", func() bool { return strings.Contains(r.log.String(), "code=499") })
	eventually(t, "nothing under way", func() bool { return r.metric("requests_in_flight") == 0 })
}
