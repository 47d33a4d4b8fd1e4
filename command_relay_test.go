package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/l4proxy/relay"
	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

// TestRelayForTheSpeaker: the program relays what the socket says, and goes on
// without whoever said so; told to end, it waits for the connections there are.
func TestRelayForTheSpeaker(t *testing.T) {
	hosts := newHosts(t, "10.9.0.1/24", "10.9.0.2/24")
	path := t.TempDir() + "/relay"
	server := hosts[0].start("relay", "--listen="+path, "--listen-port=8090", "--drain=5s")
	var backend net.Listener
	testlab.In(t, hosts[1].ns, func() (err error) {
		backend, err = net.Listen("tcp", "10.9.0.2:80")
		return err
	})
	defer backend.Close()
	client := relay.NewClient(path, nil)
	zero := 0
	front := netip.MustParseAddrPort("10.9.0.1:8090")
	client.Apply(relay.Config{Digest: "one", Frontends: []relay.Frontend{{Addr: front, ProxyProtocol: 1, Group: &zero}},
		Groups: []relay.Group{{Backends: []netip.AddrPort{netip.MustParseAddrPort("10.9.0.2:80")}}}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- client.Run(ctx) }()
	limit := time.After(20 * time.Second)
	for serves := false; !serves; {
		select {
		case r := <-client.Updates():
			serves = r.Serves[front]
		case <-limit:
			t.Fatal("the relay does not serve")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	var conn net.Conn
	testlab.In(t, hosts[1].ns, func() (err error) {
		conn, err = net.Dial("tcp", front.String())
		return err
	})
	defer conn.Close()
	fmt.Fprint(conn, "hello")
	taken, err := backend.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	want := fmt.Sprintf("PROXY TCP4 10.9.0.2 10.9.0.1 %d 8090\r\nhello", conn.LocalAddr().(*net.TCPAddr).Port)
	got := make([]byte, len(want))
	taken.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadFull(taken, got); err != nil || string(got) != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	done := make(chan struct{})
	go func() {
		server.end()
		close(done)
	}()
	time.Sleep(1500 * time.Millisecond)
	fmt.Fprint(taken, "late")
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadFull(conn, got[:4]); err != nil || string(got[:4]) != "late" {
		t.Errorf("while it drains: %q, %v", got[:4], err)
	}
	conn.Close()
	taken.Close()
	<-done
}

func TestRelayFlags(t *testing.T) {
	for flags, want := range map[string]string{
		"":                                     "--listen is missing",
		"--listen=/x/y/z --listen-port=0":      "must be greater than 0",
		"--listen=/x/y/z --drain=-1s":          "must be greater than 0",
		"--listen=/x/y/z --max-connections=-1": "not below",
		"--listen=/x/y/z --max-connections=1000000000": "open files",
		"--listen=/not/there/relay":                    "listen at a socket",
	} {
		cmd := rootCommand()
		cmd.SetArgs(append([]string{"relay", "--log-level=none"}, strings.Fields(flags)...))
		if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", flags, err, want)
		}
	}
}
