package engine

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestBytesStayApart: many clients at once, each with connections that it keeps, on
// which it asks without waiting, in every framing and at every size, and which it may
// reset at any moment. Every answer is that of its question, to the last byte.
func TestBytesStayApart(t *testing.T) {
	const clients, rounds = 16, 40
	r := start(t, Options{}, origin(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		answer := r.URL.Path + string(body)
		if rand.IntN(2) == 0 {
			w.Header().Set("Content-Length", fmt.Sprint(len(answer)))
		}
		_, _ = io.WriteString(w, answer)
	}))
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			for j := 0; j < rounds; {
				c, err := net.Dial("tcp", r.addr)
				if err != nil {
					t.Error(err)
					return
				}
				_ = c.SetDeadline(time.Now().Add(time.Minute))
				in := bufio.NewReader(c)
				for ok := true; ok && j < rounds; j++ {
					ok = askMany(t, c, in, fmt.Sprintf("/%d.%d", i, j))
				}
				_ = c.Close()
			}
		})
	}
	all.Wait()
}

// askMany sends some requests at once and reads the answers, or resets the connection
// on the way. It tells whether the connection goes on.
func askMany(t *testing.T, c net.Conn, in *bufio.Reader, tag string) bool {
	var text strings.Builder
	var want []string
	for k := range 1 + rand.IntN(4) {
		path := fmt.Sprintf("%s.%d", tag, k)
		body := strings.Repeat(path, rand.IntN(1<<rand.IntN(14)))
		switch rand.IntN(3) {
		case 0:
			body = ""
			_, _ = fmt.Fprintf(&text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
		case 1:
			_, _ = fmt.Fprintf(&text, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
		case 2:
			_, _ = fmt.Fprintf(&text, "POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", path)
			for left := body; len(left) > 0; {
				n := 1 + rand.IntN(len(left))
				_, _ = fmt.Fprintf(&text, "%x\r\n%s\r\n", n, left[:n])
				left = left[n:]
			}
			text.WriteString("0\r\n\r\n")
		}
		want = append(want, path+body)
	}
	all := text.String()
	if rand.IntN(8) == 0 {
		_, _ = io.WriteString(c, all[:rand.IntN(len(all))])
		_ = c.(*net.TCPConn).SetLinger(0)
		return false
	}
	go func() {
		_, _ = io.WriteString(c, all)
	}()
	for _, answer := range want {
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Errorf("%.20s: %v", answer, err)
			return false
		}
		got, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != 200 || string(got) != answer {
			t.Errorf("%.20s: %d, %d bytes of %d, %.20q, %v", answer, res.StatusCode, len(got), len(answer), got, err)
			return false
		}
	}
	return true
}
