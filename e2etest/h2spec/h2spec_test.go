package h2spec

import (
	"bufio"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/hpack"
	"github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/spec"
)

// built returns a build of the engine that runs alone.
func built(t *testing.T) (bin string) {
	t.Helper()
	bin = filepath.Join(t.TempDir(), "engine.test")
	build := exec.Command("go", "test", "-c", "-o", bin, "./ingress/engine")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return bin
}

// engine runs it by a driver, before a backend of net/http, and returns its
// addresses for plain HTTP and for HTTPS.
func engine(t *testing.T, bin, driver string) (plain, secure string) {
	t.Helper()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(make([]byte, 2000))
	}))
	t.Cleanup(backend.Close)
	run := exec.Command(bin)
	run.Env = append(os.Environ(), "STEELYARD_ENGINE_ALONE=-engine "+driver+" -listen 127.0.0.1:0 -listen-tls 127.0.0.1:0 -backend "+backend.Listener.Addr().String())
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = run.Process.Kill()
		_ = run.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	addrs := strings.Fields(strings.TrimPrefix(line, "listening on "))
	if err != nil || len(addrs) != 2 {
		t.Fatalf("the engine says %q, %v", line, err)
	}
	return addrs[0], addrs[1]
}

// TestEngine: every case of h2spec, the strict ones too, over TLS and without, by
// each driver.
func TestEngine(t *testing.T) {
	bin := built(t)
	for _, driver := range []string{"goroutine", "loop"} {
		t.Run(driver, func(t *testing.T) { hold(t, bin, driver) })
	}
}

// hold holds one driver against all cases.
func hold(t *testing.T, bin, driver string) {
	plain, secure := engine(t, bin, driver)
	for _, addr := range []string{plain, secure} {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		number, err := strconv.Atoi(port)
		if err != nil {
			t.Fatal(err)
		}
		passed := 0
		for _, group := range []*spec.TestGroup{generic.Spec(), http2.Spec(), hpack.Spec()} {
			group.Test(&config.Config{Host: host, Port: number, Path: "/", Timeout: 2 * time.Second, MaxHeaderLen: 4000, Strict: true, TLS: addr == secure, Insecure: true})
			passed += report(t, group)
		}
		t.Logf("%s, TLS %t: %d cases passed", addr, addr == secure, passed)
		if passed != cases {
			t.Errorf("%d cases passed, and there are %d", passed, cases)
		}
	}
}

// cases is how many h2spec has for a server.
const cases = 146

// report names the cases of a group, and of those below it, that did not pass, and
// counts the others.
func report(t *testing.T, group *spec.TestGroup) (passed int) {
	t.Helper()
	for _, c := range slices.Concat(group.Tests, group.StrictTests) {
		switch r := c.Result; {
		case r == nil:
		case !r.Failed && !r.Skipped, answeredByOther(r.Error):
			passed++
		default:
			t.Errorf("%s %s: %s: %v", group.ID(), group.Name, c.Desc, r.Error)
		}
	}
	for _, g := range group.Groups {
		passed += report(t, g)
	}
	return passed
}

// answeredByOther tells whether a connection that does not begin as HTTP/2 was
// answered in HTTP/1.1, and closed. h2spec knows only servers that speak nothing
// else where there is no TLS.
func answeredByOther(err error) bool {
	return err != nil && strings.Contains(err.Error(), "unexpected EOF, note that the frame header looked like an HTTP/1.1 header")
}
