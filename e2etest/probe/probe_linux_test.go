package probe

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/lab/network"
	"github.com/steelyard-lb/steelyard/e2etest/lab/sandbox"
)

// host is a namespace apart from the test's own: what is reached there was asked
// from within it.
var host *network.Netns

func TestMain(m *testing.M) {
	sandbox.Enter(sandbox.Options{})
	var err error
	if host, err = network.Create("host"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// serve runs a web server on the host's loopback, with TLS when there is a
// certificate, and returns its port.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	var listener net.Listener
	err := host.Do(func() (err error) {
		listener, err = net.Listen("tcp", "127.0.0.1:0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)
}

func TestGet(t *testing.T) {
	port := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", r.Host, r.URL.Path) })
	answer, err := Get(t.Context(), host, Request{URL: "http://shop.example.com:" + port + "/x", Connect: netip.MustParseAddr("127.0.0.1"), Host: "shop.example.com"})
	if err != nil || answer.Status != 200 || answer.Body != "shop.example.com /x" {
		t.Errorf("%+v, %v", answer, err)
	}
	if err := Connect(t.Context(), host, "127.0.0.1:1", time.Second); err == nil {
		t.Error("nothing listens on port 1")
	}
	// The same port in the namespace of the test itself has no server.
	if conn, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
		conn.Close()
		t.Error("the request was not made from within the namespace")
	}
}

// TestLoop lets a server refuse to answer for a while and looks whether the loop
// has noticed how much and how long.
func TestLoop(t *testing.T) {
	var broken atomic.Bool
	port := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if broken.Load() {
			http.Error(w, "broken", http.StatusServiceUnavailable)
		}
	})
	loop := Start(host, Request{URL: "http://127.0.0.1:" + port + "/"}, 5*time.Millisecond)
	time.Sleep(200 * time.Millisecond)
	if r := loop.Peek(); r.Failed != 0 || r.Sent < 10 {
		t.Errorf("before: %v", r)
	}
	broken.Store(true)
	time.Sleep(400 * time.Millisecond)
	if quiet := loop.Quiet(); quiet > 200*time.Millisecond {
		t.Errorf("failing, and quiet for %v", quiet)
	}
	broken.Store(false)
	time.Sleep(200 * time.Millisecond)
	r := loop.Stop()
	if r.Failed < 20 || r.Gap < 390*time.Millisecond || r.Gap > 900*time.Millisecond || r.LastErr == nil {
		t.Errorf("after: %v", r)
	}
	if good := r.Sent - r.Failed; good < 20 {
		t.Errorf("only %d good answers", good)
	}
}

func TestLoopThatIsNeverAnswered(t *testing.T) {
	loop := Start(host, Request{URL: "http://127.0.0.1:1/"}, 5*time.Millisecond)
	time.Sleep(150 * time.Millisecond)
	if r := loop.Stop(); r.Failed != r.Sent || r.Gap < 140*time.Millisecond {
		t.Errorf("%v", r)
	}
}

func TestCertificateIsTrustedByItsRootsAlone(t *testing.T) {
	one, err := NewCertificate("a.example.com")
	if err != nil {
		t.Fatal(err)
	}
	two, err := NewCertificate("a.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if one.Roots.Equal(two.Roots) {
		t.Error("two certificates share their roots")
	}
}
