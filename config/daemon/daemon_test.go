package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log/level"
	"github.com/spf13/pflag"
)

func TestLoggerFormatsAndLevels(t *testing.T) {
	var out bytes.Buffer
	logger, err := NewLogger(&out, "json", "info")
	if err != nil {
		t.Fatal(err)
	}
	level.Debug(logger).Log("msg", "hidden")
	level.Info(logger).Log("msg", "seen", "node", "n1")
	var line map[string]string
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("not one JSON line: %v\n%s", err, out.String())
	}
	if line["msg"] != "seen" || line["node"] != "n1" || line["level"] != "info" || line["ts"] == "" {
		t.Errorf("line = %v", line)
	}
	for _, bad := range [][2]string{{"xml", "info"}, {"json", "loud"}} {
		if _, err := NewLogger(&out, bad[0], bad[1]); err == nil {
			t.Errorf("format %q level %q: no error", bad[0], bad[1])
		}
	}
}

func TestFlagsFromEnvLeavesTheCommandLineAlone(t *testing.T) {
	t.Setenv("STEELYARD_LOG_LEVEL", "debug")
	t.Setenv("STEELYARD_NODE_NAME", "env")
	flags := pflag.NewFlagSet("x", pflag.ContinueOnError)
	lvl := flags.String("log-level", "info", "")
	node := flags.String("node-name", "", "")
	if err := flags.Parse([]string{"--node-name=line"}); err != nil {
		t.Fatal(err)
	}
	if err := FlagsFromEnv(flags); err != nil {
		t.Fatal(err)
	}
	if *lvl != "debug" || *node != "line" {
		t.Errorf("log-level %q, node-name %q; want debug, line", *lvl, *node)
	}
}

func TestFlagsFromEnvNamesTheVariable(t *testing.T) {
	t.Setenv("STEELYARD_DRAIN", "soon")
	flags := pflag.NewFlagSet("x", pflag.ContinueOnError)
	flags.Duration("drain", 0, "")
	err := FlagsFromEnv(flags)
	if err == nil || !strings.Contains(err.Error(), "STEELYARD_DRAIN") {
		t.Errorf("err = %v; want one that names STEELYARD_DRAIN", err)
	}
}

func TestReadyNamesWhatItWaitsFor(t *testing.T) {
	h := NewHealth("snapshot", "forwarder")
	mux := http.NewServeMux()
	h.Register(mux)
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code, w.Body.String()
	}
	h.Ready("snapshot")
	if code, body := get("/readyz"); code != 503 || !strings.Contains(body, "forwarder: starting") {
		t.Errorf("readyz = %d %q", code, body)
	}
	if code, _ := get("/healthz"); code != 200 {
		t.Errorf("healthz = %d while not ready; want 200", code)
	}
	h.Ready("forwarder")
	if code, _ := get("/readyz"); code != 200 {
		t.Errorf("readyz = %d when all is ready; want 200", code)
	}
}

func TestMetricsAskWhoMayRead(t *testing.T) {
	allow := func(_ context.Context, token string) error {
		if token != "good" {
			return errors.New("token refused")
		}
		return nil
	}
	h := MetricsHandler(NewRegistry("test"), allow)
	for token, want := range map[string]int{"": 403, "bad": 403, "good": 200} {
		r := httptest.NewRequest("GET", "/metrics", nil)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("token %q: %d, want %d", token, w.Code, want)
		}
	}
}

func TestServeEndsWithItsContextAndNamesTheAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().String()
	if err := Serve(t.Context(), taken, http.NotFoundHandler(), nil); err == nil || !strings.Contains(err.Error(), taken) {
		t.Errorf("err = %v; want one that names %s", err, taken)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, "127.0.0.1:0", http.NotFoundHandler(), nil) }()
	time.AfterFunc(20*time.Millisecond, cancel)
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("did not end with its context")
	}
}
