package engine

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/ingress/accesslog"
)

// lines is a writer whose lines a test reads.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	slow chan struct{} // if there is one, Write waits until it is closed
}

func (l *lines) Write(b []byte) (int, error) {
	if l.slow != nil {
		<-l.slow
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Count(l.text.Bytes(), []byte("\n"))
}

// read waits for the n-th line, and returns them all, as JSON.
func (l *lines) read(t *testing.T, n int) (out []map[string]any) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); l.count() < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d lines, want %d:\n%s", l.count(), n, l.text.String())
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for d := json.NewDecoder(bytes.NewReader(l.text.Bytes())); ; {
		var o map[string]any
		if err := d.Decode(&o); err == io.EOF {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		out = append(out, o)
	}
}

// ruled leads as toAll does, by a rule that has a name.
type ruled struct{ toAll }

func (r ruled) Route(method, host, path string) (Decision, bool) {
	to, ok := r.toAll.Route(method, host, path)
	to.Rule = "shop/front"
	return to, ok
}

// TestAccessLog: each request has its line, however it ends.
func TestAccessLog(t *testing.T) {
	at := origin(t, echo)
	log := &lines{}
	r := start(t, Options{AccessLog: AccessLog{Writer: log, Format: accesslog.JSON}, Header: time.Second})
	cfg := leadTo(at)
	cfg.Router = ruled{}
	cfg.Pools[0].Name = "shop/web:80"
	r.Apply(cfg)

	conn := dial(t, r.addr)
	conn.say("GET /a%20b?c=\"d HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: me\r\nReferer: there\r\nX-Request-Id: 7\r\n\r\n")
	_, first, _ := conn.hears("GET")
	log.read(t, 1)
	conn.say("POST /p HTTP/1.0\r\nHost: shop.test\r\nContent-Length: 5\r\n\r\nhello")
	_, second, _ := conn.hears("POST")
	log.read(t, 2)
	lost := dial(t, r.addr)
	lost.say("GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n")
	_, third, _ := lost.hears("GET")
	log.read(t, 3)
	lost.say("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
	lost.hears("GET")

	got := log.read(t, 4)
	for i, want := range []map[string]any{
		{"method": "GET", "path": "/a%20b?c=\"d", "host": "shop.test", "proto": "HTTP/1.1", "tls": false, "code": 200.0, "bytes": float64(len(first)),
			"agent": "me", "referer": "there", "id": "7", "ingress": "shop/front", "svc": "shop/web:80", "addr": at, "attempts": 1.0, "peer": "127.0.0.1"},
		{"method": "POST", "path": "/p", "proto": "HTTP/1.0", "code": 200.0, "bytes": float64(len(second)), "attempts": 1.0},
		{"method": "GET", "host": "nobody.test", "code": 404.0, "err": errNoRoute.Reason, "attempts": 0.0, "bytes": float64(len(third))},
		{"code": 400.0},
	} {
		for key, value := range want {
			if got[i][key] != value {
				t.Errorf("line %d: %s is %v, want %v", i+1, key, got[i][key], value)
			}
		}
	}
	if id, _ := got[1]["id"].(string); len(id) != 32 || !strings.Contains(second, "POST") {
		t.Errorf("id %q", id)
	}
	if took, _ := got[0]["ms"].(float64); took <= 0 || took > 60_000 {
		t.Errorf("took %v ms", took)
	}
}

// TestAccessLogOfOthers: HTTP/2 over TLS, what is switched to another protocol, and
// clients that do not wait.
func TestAccessLogOfOthers(t *testing.T) {
	var asked sync.WaitGroup
	asked.Add(1)
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			asked.Done()
			<-release
		case "/switch":
			c, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello")
			_ = rw.Flush()
		}
	}))
	defer s.Close()
	log, reg := &lines{}, prometheus.NewRegistry()
	r := start(t, Options{AccessLog: AccessLog{Writer: log, Format: accesslog.JSON}, Registerer: reg}, s.Listener.Addr().String())

	for base, c := range r.over2(s.Listener.Addr().String()) {
		if strings.HasPrefix(base, "https") {
			fetch(t, c, "GET", base+"/two?x", nil)
		}
	}
	line := log.read(t, 1)[0]
	if line["proto"] != "HTTP/2.0" || line["tls"] != true || line["path"] != "/two?x" || line["code"] != 200.0 {
		t.Errorf("HTTP/2: %v", line)
	}

	conn := dial(t, r.addr)
	conn.say("GET /switch HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	if text, err := io.ReadAll(conn.in); err != nil || !strings.HasSuffix(string(text), "hello") {
		t.Errorf("switched: %q, %v", text, err)
	}
	_ = conn.Close()
	if line := log.read(t, 2)[1]; line["code"] != 101.0 || line["bytes"] != 5.0 {
		t.Errorf("switched: %v", line)
	}

	gone := dial(t, r.addr)
	gone.say("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
	asked.Wait()
	_ = gone.SetLinger(0)
	_ = gone.Close()
	line = log.read(t, 3)[2]
	close(release)
	if line["code"] != 499.0 || line["err"] != errClient.Error() {
		t.Errorf("gone: %v", line)
	}
	want := map[string]float64{"1xx": 1, "2xx": 1, "3xx": 0, "4xx": 1, "5xx": 0}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		classes := shown(t, reg, "steelyard_ingress_requests_total")
		if maps.Equal(classes, want) && shown(t, reg, "steelyard_ingress_requests_in_flight")[""] == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("counted %v", classes)
		}
	}
	if n := shown(t, reg, "steelyard_ingress_request_duration_seconds")[""]; n != 3 {
		t.Errorf("%v requests in the histogram", n)
	}
}

// shown are the values of a metric, or its counts, by the value of its label.
func shown(t *testing.T, reg prometheus.Gatherer, name string) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			label := ""
			for _, l := range m.GetLabel() {
				label = l.GetValue()
			}
			out[label] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return out
}

// TestSlowLogHoldsNobodyUp: what cannot be written is lost, and counted.
func TestSlowLogHoldsNobodyUp(t *testing.T) {
	log := &lines{slow: make(chan struct{})}
	l := newAccessLog(AccessLog{Writer: log, Format: accesslog.Logfmt})
	j := journal{log: l}
	r := &accesslog.Record{Target: make([]byte, sheetSize/2), Status: 200}
	const n = 4 * mostSheets
	for range n {
		j.add(r)
	}
	if kept := uint64(2 * mostSheets); l.lost.Load() < n-kept-2 || l.lost.Load() > n-kept {
		t.Errorf("%d of %d lost", l.lost.Load(), n)
	}
}

func TestSample(t *testing.T) {
	j := journal{log: newAccessLog(AccessLog{Writer: io.Discard, Sample: 10})}
	for i := range 100 {
		j.add(&accesslog.Record{Status: map[bool]int{true: 502, false: 200}[i%50 == 25]})
	}
	if n := len(j.sheet.records); n != 12 {
		t.Errorf("%d lines of 100 requests, two of which failed: want 12", n)
	}
}

func BenchmarkJournal(b *testing.B) {
	j := journal{log: newAccessLog(AccessLog{Writer: io.Discard})}
	go func() {
		for p := range j.log.full {
			p.clear()
			j.log.spare.Put(p)
		}
	}()
	r := &accesslog.Record{Method: []byte("GET"), Host: []byte("shop.test"), Target: []byte("/a/b/c?d=e"), Agent: []byte("curl/8.0"), ID: make([]byte, 32), Status: 200}
	b.ReportAllocs()
	for b.Loop() {
		j.add(r)
	}
}
