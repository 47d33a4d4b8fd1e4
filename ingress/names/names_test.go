package names

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-kit/log"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/feed"
	"github.com/steelyard-lb/steelyard/ingress/route"
)

// server is a DNS server with a zone that a test may change: lines such as
// "a.test 60 A 192.0.2.1" by name. A truncated name is complete by TCP alone.
type server struct {
	mu    sync.Mutex
	zone  []string
	mute  bool
	asked int
	at    netip.AddrPort
}

func newServer(t *testing.T, zone ...string) *server {
	t.Helper()
	s := &server{zone: zone}
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s.at = udp.LocalAddr().(*net.UDPAddr).AddrPort()
	tcp, err := net.Listen("tcp", s.at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { udp.Close(); tcp.Close() })
	go func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := udp.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if raw := s.answer(buf[:n], false); raw != nil {
				_, _ = udp.WriteToUDPAddrPort(append([]byte{raw[0] + 1}, raw[1:]...), from) // a forger's
				_, _ = udp.WriteToUDPAddrPort(raw, from)
			}
		}
	}()
	go func() {
		for {
			conn, err := tcp.Accept()
			if err != nil {
				return
			}
			var size [2]byte
			_, _ = io.ReadFull(conn, size[:])
			query := make([]byte, binary.BigEndian.Uint16(size[:]))
			_, _ = io.ReadFull(conn, query)
			raw := s.answer(query, true)
			_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(raw))), raw...))
			conn.Close()
		}
	}()
	return s
}

func (s *server) set(mute bool, zone ...string) {
	s.mu.Lock()
	s.mute, s.zone = mute, zone
	s.mu.Unlock()
}

func (s *server) answer(query []byte, whole bool) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var q dnsmessage.Message
	if s.asked++; s.mute || q.Unpack(query) != nil {
		return nil
	}
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: q.ID, Response: true, RCode: dnsmessage.RCodeNameError}, Questions: q.Questions}
	name := q.Questions[0].Name.String()
	for _, line := range s.zone {
		f := strings.Fields(line)
		if f[0]+"." != name {
			continue
		}
		m.RCode = dnsmessage.RCodeSuccess
		ttl, _ := time.ParseDuration(f[1] + "s")
		h := dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: uint32(ttl.Seconds())}
		switch {
		case f[2] == "CUT" && !whole:
			m.Truncated = true
		case f[2] == "FAIL":
			m.RCode = dnsmessage.RCodeServerFailure
		case f[2] == "CNAME":
			name = f[3] + "."
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(name)}})
		case f[2] == "A" && q.Questions[0].Type == dnsmessage.TypeA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: netip.MustParseAddr(f[3]).As4()}})
		case f[2] == "AAAA" && q.Questions[0].Type == dnsmessage.TypeAAAA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr(f[3]).As16()}})
		}
	}
	raw, _ := m.Pack()
	return raw
}

var both = []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA}

func TestLookUp(t *testing.T) {
	s := newServer(t, "alias.test 20 CNAME b.test", "b.test 60 CNAME a.test",
		"a.test 60 A 192.0.2.2", "a.test 30 A 192.0.2.1", "a.test 90 AAAA 2001:db8::1", "a.test 60 TXT x",
		"loop.test 20 CNAME loop.test", "big.test 60 CUT", "big.test 60 A 192.0.2.9", "none.test 60 TXT x", "fail.test 60 FAIL")
	for name, c := range map[string]struct{ addrs, fault, ttl string }{
		"a.test":                 {"192.0.2.1 192.0.2.2 2001:db8::1", "", "30s"},
		"A.Test.":                {"", "no such name", "5s"}, // this server minds the case
		"big.test":               {"192.0.2.9", "", "1m0s"},
		"none.test":              {"", "the name has no address", "5s"},
		"gone.test":              {"", "no such name", "5s"},
		"loop.test":              {"", "the name has no address", "5s"},
		strings.Repeat("x", 300): {"", "it is no name that DNS knows", "1h0m0s"},
		strings.Repeat("a", 64):  {"", "it is no name that DNS knows", "1h0m0s"},
	} {
		f, err := lookUp(t.Context(), []netip.AddrPort{s.at}, both, name)
		if err != nil {
			t.Errorf("%.20s: %v", name, err)
			continue
		}
		var got []string
		for _, a := range f.addrs {
			got = append(got, a.String())
		}
		if strings.Join(got, " ") != c.addrs || f.fault != c.fault || f.ttl.String() != c.ttl {
			t.Errorf("%.20s: %v %q %v, want %v", name, got, f.fault, f.ttl, c)
		}
	}
	if f, err := lookUp(t.Context(), []netip.AddrPort{s.at}, both[:1], "alias.test"); err != nil || f.ttl != 20*time.Second || len(f.addrs) != 2 {
		t.Errorf("alias.test: %v %v", f, err)
	}
	if _, err := lookUp(t.Context(), []netip.AddrPort{s.at}, both, "fail.test"); err == nil {
		t.Error("a server that fails has answered")
	}
	if f, err := lookUp(t.Context(), []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1"), s.at}, both, "a.test"); err != nil || len(f.addrs) != 3 {
		t.Errorf("with the first server dead: %v %v", f, err)
	}
}

func TestServersIn(t *testing.T) {
	got := serversIn("# x\nnameserver 192.0.2.1\nsearch a b\nnameserver fe80::1%eth0\nnameserver x\n nameserver 2001:db8::1\n")
	if len(got) != 3 || got[2] != netip.MustParseAddrPort("[2001:db8::1]:53") {
		t.Errorf("servers %v", got)
	}
	if got := serversIn(""); !slices.Equal(got, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53")}) {
		t.Errorf("without servers %v", got)
	}
}

func TestLearn(t *testing.T) {
	now, ok := time.Unix(1000, 0), found{addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, ttl: time.Second}
	e := &entry{}
	if !e.learn(reply{err: io.EOF}, now) || e.answer.Fault != "EOF" || !e.due.Equal(now.Add(retryMin)) {
		t.Errorf("nothing known, no server: %+v", e)
	}
	if !e.learn(reply{found: ok}, now) || e.answer.Fault != "" || !e.due.Equal(now.Add(minTTL)) {
		t.Errorf("an answer: %+v", e)
	}
	kept := e.answer
	if e.learn(reply{found: ok}, now) || e.answer != kept {
		t.Errorf("the same again is news: %+v", e)
	}
	for range 10 {
		if e.learn(reply{err: io.EOF}, now) || e.answer != kept {
			t.Fatalf("no server answers, and the answer is gone: %+v", e)
		}
	}
	if !e.due.Equal(now.Add(retryMax)) {
		t.Errorf("tried again at %v", e.due)
	}
	if !e.learn(reply{err: io.EOF}, now.Add(staleFor+time.Minute)) || e.answer.Fault == "" {
		t.Errorf("the answer outlives its hour: %+v", e)
	}
	if !e.learn(reply{found: found{ttl: 90 * time.Hour, addrs: ok.addrs}}, now) || !e.due.Equal(now.Add(maxTTL)) {
		t.Errorf("a long time to live: %+v", e)
	}
}

func TestRunFollowsWhatIsWanted(t *testing.T) {
	s := newServer(t, "a.test 1 A 192.0.2.1", "b.test 60 A 192.0.2.2")
	r := &Resolver{servers: []netip.AddrPort{s.at}, kinds: func() []dnsmessage.Type { return both }, logger: log.NewNopLogger(),
		wanted: feed.NewLatest[[]string](nil), out: feed.NewLatest[Answers](nil)}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	until := func(want string) {
		t.Helper()
		for end := time.After(30 * time.Second); ; {
			select {
			case a := <-r.Answers():
				if text(a) == want {
					return
				}
			case <-end:
				t.Fatalf("never %q", want)
			}
		}
	}
	r.Want([]string{"a.test", "b.test"})
	until("a.test=192.0.2.1 b.test=192.0.2.2")
	s.set(false, "a.test 1 A 192.0.2.3")
	until("a.test=192.0.2.3 b.test=192.0.2.2") // after its time to live
	r.Want([]string{"a.test"})
	until("a.test=192.0.2.3")
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func text(a config.Table[string, *route.Answer]) string {
	var out []string
	for name, answer := range a.All() {
		for _, addr := range answer.Addrs {
			out = append(out, name+"="+addr.String())
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}
