package relay

import (
	"fmt"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/l4proxy/relay/proxyproto"
)

// TestHeaderFromAProxy: whoever is believed says who the client is, in one piece
// or byte by byte, and must; what others begin with is no header but data.
func TestHeaderFromAProxy(t *testing.T) {
	r := newRig(t, Options{})
	heads := make(chan proxyproto.Header, 1)
	serve := func(s *served) {
		heads <- s.header
		echo(s)
	}
	zero := 0
	backend := Group{Backends: []netip.AddrPort{r.backend(serve)}}
	err := r.e.Apply(Config{Digest: "from", Groups: []Group{backend}, Frontends: []Frontend{
		{Addr: r.front4, ProxyProtocol: 2, Group: &zero, From: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		{Addr: r.front6, ProxyProtocol: 2, Group: &zero, From: []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")}}}})
	if err != nil {
		t.Fatal(err)
	}
	client := proxyproto.Header{Src: netip.MustParseAddrPort("203.0.113.7:4711"), Dst: netip.MustParseAddrPort("198.51.100.1:443"), Authority: "shop.example", UniqueID: "theirs"}
	for _, version := range []proxyproto.Version{proxyproto.V1, proxyproto.V2} {
		for _, pause := range []time.Duration{0, time.Millisecond} {
			conn := r.dial(r.front4)
			text := string(client.Append(nil, version)) + "hello"
			for len(text) > 0 {
				n := len(text)
				if pause > 0 {
					n = 1
				}
				io.WriteString(conn, text[:n])
				text = text[n:]
				time.Sleep(pause)
			}
			got := make([]byte, 5)
			if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
				t.Errorf("version %d: %q, %v", version, got, err)
			}
			h := <-heads
			if h.Src != client.Src || h.Dst != client.Dst || version == proxyproto.V2 && h != client || version == proxyproto.V1 && len(h.UniqueID) != 16 {
				t.Errorf("version %d: the backend hears of %+v", version, h)
			}
			say(t, conn, "and more")
			conn.Close()
		}
	}
	own := r.dial(r.front4) // a check of the proxy's own
	io.WriteString(own, string(proxyproto.Header{}.Append(nil, proxyproto.V2))+"hello")
	if h := <-heads; h.Src.String() != own.LocalAddr().String() || h.Dst != r.front4 {
		t.Errorf("LOCAL: the backend hears of %+v", h)
	}
	plain := r.dial(r.front6)
	say(t, plain, "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n")
	if h := <-heads; h.Src.String() != plain.LocalAddr().String() {
		t.Errorf("somebody who is not believed: the backend hears of %+v", h)
	}

	begin := time.Now()
	silent := r.dial(r.front4)
	for _, bad := range []string{"GET / HTTP/1.1\r\n\r\n", "PROXY TCP4 nobody\r\n", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff"} {
		conn := r.dial(r.front4)
		fmt.Fprint(conn, bad)
		gone(t, conn, bad)
	}
	gone(t, silent, "a proxy that says nothing")
	if d := time.Since(begin); d < headerTime {
		t.Errorf("a silent proxy is given up after %v", d)
	}
	if n := r.e.headless.Load(); n != 4 {
		t.Errorf("%d without a header, want 4", n)
	}
}
