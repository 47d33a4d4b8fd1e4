package load

import (
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

func TestEveryKindIsAnswered(t *testing.T) {
	ended := make(chan error, 1)
	go func() { ended <- Serve() }()
	for try := 0; ; try++ {
		c, err := net.Dial("tcp", "127.0.0.1:7001")
		if err == nil {
			c.Close()
			break
		}
		if try == 100 {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, kind := range []Kind{Conn, RR, UDP, Bytes} {
		r, err := Run(Spec{Kind: kind, First: netip.MustParseAddr("127.0.0.1"), Count: 20, Flows: 4,
			Warmup: 10 * time.Millisecond, Time: 100 * time.Millisecond, Server: os.Getpid()})
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if r.Done < 100 || r.Failed != 0 || r.CPU <= 0 || r.Busy <= 0 || r.Took < 100*time.Millisecond {
			t.Errorf("%s: %+v", kind, r)
		}
	}
	select {
	case err := <-ended:
		t.Fatal(err)
	default:
	}
	// Where nobody listens nothing may be counted.
	if r, err := Run(Spec{Kind: Conn, First: netip.MustParseAddr("127.255.255.255"), Count: 1, Flows: 1, Time: 50 * time.Millisecond}); err == nil && r.Done > 0 {
		t.Errorf("nobody's address: %+v", r)
	}
}

func TestSpecsThatCannotBe(t *testing.T) {
	good := Spec{Kind: Conn, First: netip.MustParseAddr("192.0.2.1"), Count: 1, Flows: 1}
	if err := good.check(); err != nil {
		t.Fatal(err)
	}
	for _, edit := range []func(*Spec){
		func(s *Spec) { s.Kind = "talk" }, func(s *Spec) { s.First = netip.MustParseAddr("::1") },
		func(s *Spec) { s.First = netip.Addr{} }, func(s *Spec) { s.Count = 0 },
		func(s *Spec) { s.Flows = 0 }, func(s *Spec) { s.Flows = mostFDs },
	} {
		bad := good
		edit(&bad)
		if _, err := Run(bad); err == nil {
			t.Errorf("%+v is asked", bad)
		}
	}
}
