package layer2

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/go-kit/log"

	"github.com/steelyard-lb/steelyard/config/host"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// child runs a responder for so many scattered addresses, vip4 the first of
// them, in a process of its own until the test ends.
func (b *box) child(addrs int) *os.Process {
	b.t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=TestChild$")
	cmd.Env = append(os.Environ(), "LAYER2_CHILD_LINK="+b.link, fmt.Sprint("LAYER2_CHILD_ADDRS=", addrs))
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	stdin, err := cmd.StdinPipe()
	ok(b.t, err)
	ok(b.t, inside(b.ns, cmd.Start))
	b.t.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			b.t.Errorf("child: %v", err)
		}
	})
	return cmd.Process
}

// scattered are n addresses with gaps between them, vip4 the first.
func scattered(n int) []netip.Addr {
	out := []netip.Addr{vip4}
	for i := uint32(1); len(out) < n; i++ {
		out = append(out, netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 10<<24+i*7))))
	}
	return out
}

// TestChild is the process of others' tests; by itself it does nothing.
func TestChild(t *testing.T) {
	link := os.Getenv("LAYER2_CHILD_LINK")
	if link == "" {
		return
	}
	n, err := strconv.Atoi(os.Getenv("LAYER2_CHILD_ADDRS"))
	ok(t, err)
	announceOnce(t)
	var claims []announce.Claim
	for _, a := range scattered(n) {
		claims = append(claims, announce.Claim{Addr: a, Links: []string{link}})
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := New(log.NewNopLogger(), nil, Options{})
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	for state := (host.State{}); len(claimsOn(claims, state)) == 0; time.Sleep(50 * time.Millisecond) {
		state, err = host.Read()
		ok(t, err)
		r.Apply(claims, state)
	}
	go func() {
		for ctx.Err() == nil {
			r.Beat()
			time.Sleep(100 * time.Millisecond)
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent lets go
	cancel()
	ok(t, <-ended)
}
