package proxying

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/bench/program"
)

// said is what h2load 1.52 says.
const said = `starting benchmark...
spawning thread #0: 64 total client(s). 200 total requests
Application protocol: http/1.1
progress: 10% done
progress: 100% done

finished in 62.50ms, 3200.00 req/s, 4.01MB/s
requests: 200 total, 200 started, 200 done, 200 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 200 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 246.88KB (252800) total, 36.91KB (37800) headers (space savings 0.00%), 200.00KB (204800) data
                     min         max         mean         sd        +/- sd
time for request:       45us    667.01ms     19.11ms     74.09ms    95.09%
`

var some = Load{Size: 1024, Clients: 2, Requests: 200}

// h2load is one that says what it is told to.
func h2load(t *testing.T, says string) {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\nfor a; do case $a in --log-file=*) printf '6\\t200\\t500\\n1\\t200\\t9000\\n3\\t200\\t9000\\n5\\t200\\t1500\\n2\\t200\\t9000\\n4\\t200\\t9000\\n' >${a#--log-file=};; esac; done\ncat <<'E'\n" + says + "E\n"
	if err := os.WriteFile(filepath.Join(dir, "h2load"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// TestLoad: the first requests are left out of how long answers take.
func TestLoad(t *testing.T) {
	h2load(t, said)
	got, err := some.run(t.Context(), t.TempDir(), "127.0.0.1:1")
	if err != nil || got.took.Microseconds() != 62_500 || len(got.waiting) != 2 || bench.Percentile(got.waiting, 99) != 1.5 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestTLS is part of what is said, and has to be the same for all.
func TestTLS(t *testing.T) {
	const clear, h2 = "Application protocol: http/1.1", "TLS Protocol: TLSv1.3\nCipher: TLS_AES_128_GCM_SHA256\nServer Temp Key: X25519 253 bits\nApplication protocol: h2"
	secret := some
	secret.TLS, secret.HTTP2 = true, true
	for text, good := range map[string]bool{
		h2: true, clear: false, strings.Replace(h2, "128", "256", 1): false, strings.Replace(h2, "1.3", "1.2", 1): false,
		strings.Replace(h2, "h2", "http/1.1", 1): false, strings.Replace(clear, "http/1.1", "h2", 1): false,
	} {
		h2load(t, strings.Replace(said, clear, text, 1))
		if _, err := secret.run(t.Context(), t.TempDir(), "127.0.0.1:1"); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestRefused: what is not all that was asked for must not become a figure.
func TestRefused(t *testing.T) {
	for was, is := range map[string]string{
		"200 2xx, 0 3xx":  "199 2xx, 1 3xx",
		"0 4xx":           "1 4xx",
		"0 5xx":           "200 5xx",
		"0 failed":        "1 failed",
		"0 errored":       "1 errored",
		"0 timeout":       "1 timeout",
		"http/1.1":        "h2c",
		"(204800) data":   "(204799) data",
		"finished in":     "failed in",
		"status codes: 2": "status codes: 3",
		"62.50ms":         "soon",
	} {
		h2load(t, strings.Replace(said, was, is, 1))
		if got, err := some.run(t.Context(), t.TempDir(), "127.0.0.1:1"); err == nil {
			t.Errorf("%q for %q is taken for %+v", is, was, got)
		}
	}
}

func TestAccessLog(t *testing.T) {
	log := accessLog(filepath.Join(t.TempDir(), "access"))
	for _, c := range []struct {
		lines int
		share float64
		good  bool
	}{{200, 1, true}, {199, 0.995, true}, {150, 0.75, false}, {201, 1.005, false}, {0, 0, false}} {
		if err := os.WriteFile(string(log), []byte(strings.Repeat("a line\n", c.lines)), 0o644); err != nil {
			t.Fatal(err)
		}
		if share, err := log.take(t.Context(), 200); share != c.share || (err == nil) != c.good {
			t.Errorf("%d lines: %v, %v", c.lines, share, err)
		}
		if left, err := countLines(string(log)); left != 0 || err != nil {
			t.Errorf("%d lines are left, %v", left, err)
		}
	}
	if share, err := accessLog("").take(t.Context(), 200); share != 0 || err != nil {
		t.Errorf("without a log: %v, %v", share, err)
	}
}

// stand is a proxy that does nothing itself, and has done with its own start: somebody
// else answers at addr.
func stand(t *testing.T, name, addr string) *proxy {
	t.Helper()
	sleep := exec.Command("sleep", "60")
	p, err := program.Start(t.TempDir(), name, sleep)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop() })
	for begin := time.Now(); ; time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", sleep.Process.Pid))
		if err == nil && strings.Contains(string(stat), "(sleep) S ") {
			break
		}
		if time.Since(begin) > 10*time.Second {
			t.Fatalf("sleep does not sleep: %s, %v", stat, err)
		}
	}
	return &proxy{Program: p, addr: strings.TrimPrefix(addr, "http://")}
}

func TestIdle(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/1024" {
			http.NotFound(w, r)
		}
		fmt.Fprint(w, strings.Repeat("x", 1024))
	}))
	defer s.Close()
	if mb, err := idle(t.Context(), stand(t, "good", s.URL), 20); err != nil || mb <= 0 {
		t.Errorf("%v MB, %v", mb, err)
	}
	bad := httptest.NewServer(http.NotFoundHandler())
	defer bad.Close()
	if _, err := idle(t.Context(), stand(t, "bad", bad.URL), 1); err == nil {
		t.Error("404 is taken for an answer")
	}
}

func TestWebSocket(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(upgrade))
	defer s.Close()
	p := stand(t, "good", s.URL)
	// Whoever spends no time has done nothing, even if all came back.
	if _, _, err := webSockets(t.Context(), p, 3, 2, 5); err == nil || !strings.Contains(err.Error(), "no processor time") {
		t.Errorf("%v", err)
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	if _, _, err := webSockets(t.Context(), stand(t, "bad", plain.URL), 1, 1, 1); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("%v", err)
	}
}

// TestCall: what comes back is the message, and what says that all went well.
func TestCall(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(call))
	defer s.Close()
	request, err := http.NewRequest("POST", s.URL, bytes.NewReader(message(100)))
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []int{http.StatusUnsupportedMediaType, http.StatusOK} {
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != status || err != nil {
			t.Fatalf("%s, %v", answer.Status, err)
		}
		if status == http.StatusOK && (!bytes.Equal(body, append([]byte{0, 0, 0, 0, 95}, make([]byte, 95)...)) || answer.Trailer.Get("Grpc-Status") != "0") {
			t.Errorf("%v, %v", body, answer.Trailer)
		}
		request.Header.Set("Content-Type", "application/grpc")
		request.Header.Set("Te", "trailers")
		request.Body = io.NopCloser(bytes.NewReader(message(100)))
	}
}

// TestPeersAreKeptApart by what is before the names of their metrics.
func TestPeersAreKeptApart(t *testing.T) {
	r := &run{
		kind: kind{measure: func(_ context.Context, _ *run, p *proxy) (bench.Metrics, error) {
			return bench.Metrics{MetricWork: float64(len(p.Name))}, nil
		}},
		ours: stand(t, "1", ""), beside: []peer{{"", stand(t, "12", "")}, {HAProxy, stand(t, "123", "")}},
	}
	for side, want := range map[bench.Side]bench.Metrics{
		bench.Ours: {MetricWork: 1}, bench.Peers: {MetricWork: 2, HAProxy + MetricWork: 3},
	} {
		if got, err := r.Measure(t.Context(), side, 0); err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %v, %v", side, got, err)
		}
	}
}

// TestAsksOnlyWhatIsKnown of an engine.
func TestAsksOnlyWhatIsKnown(t *testing.T) {
	engine := filepath.Join(t.TempDir(), "engine")
	text := "#!/bin/sh\n[ \"$STEELYARD_ENGINE_ALONE\" = -h ] && printf '  -backend value\\n  -engine string\\n' >&2\nexit 1\n"
	if err := os.WriteFile(engine, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	knows, err := engineFlags(engine)
	if err != nil || !knows("engine") || knows("access-log") {
		t.Errorf("%v", err)
	}
	if _, err := engineFlags("/bin/true"); err == nil {
		t.Error("any program is taken for an engine")
	}
}
