package bfd

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/vishvananda/netns"

	"github.com/steelyard-lb/steelyard/config/lines"
	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

// serve runs an engine with a server at path in ns, until the test or its end.
func serve(t *testing.T, ns netns.NsHandle, path string) (end func()) {
	t.Helper()
	l, err := lines.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	e := New(nil)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { testlab.In(t, ns, func() error { return e.Run(ctx) }) })
	wg.Go(func() {
		if err := NewServer(e).Run(ctx, l); err != nil {
			t.Error(err)
		}
	})
	end = func() {
		cancel()
		wg.Wait()
	}
	t.Cleanup(end)
	return end
}

// speaker is a client, and the book of what it was told.
func speaker(t *testing.T, path string) (*Client, *node) {
	t.Helper()
	reg := prometheus.NewRegistry()
	c := NewClient(path, reg)
	n := &node{t: t, reg: reg}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := c.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() { n.read(ctx, c.Updates()) })
	n.end = func() {
		cancel()
		wg.Wait()
	}
	t.Cleanup(n.end)
	return c, n
}

// TestSessionsOutliveTheSpeaker: one that comes back finds its sessions up and
// learns what happened meanwhile, and the router never knew.
func TestSessionsOutliveTheSpeaker(t *testing.T) {
	l, path := newLab(t), filepath.Join(t.TempDir(), "bfd")
	serve(t, l.node, path)
	peer := run(t, l.router, usual(node4))
	want := usual(router4)
	c, n := speaker(t, path)
	c.Apply([]Session{want})
	n.waitUp(1)
	peer.waitUp(1)
	before := n.only()
	if before.Path != want.Path || before.Source.Addr().String() != node4 || before.Detection != 900*ms && before.Detection != 3*time.Second {
		t.Errorf("%+v", before)
	}
	n.end()
	time.Sleep(1500 * ms)
	c, n = speaker(t, path)
	n.waitUp(1) // before anything is applied
	c.Apply([]Session{want})
	time.Sleep(1500 * ms)
	if got := n.only(); got.Mine != before.Mine || !got.Since.Equal(before.Since) || len(peer.downs()) > 0 {
		t.Errorf("another session: %+v", got)
	}
	n.end()
	peer.end()
	time.Sleep(2 * time.Second)
	_, n = speaker(t, path)
	testlab.Eventually(t, 5*time.Second, "the fall that nobody heard of is told", func() bool {
		d := n.downs()
		return len(d) == 1 && d[0].Path == want.Path && d[0].Diag == packet.DetectionExpired
	})
}

// TestTheBFDProcessRestarts: the client says that it is away, and tells the
// next one what is wanted.
func TestTheBFDProcessRestarts(t *testing.T) {
	l, path := newLab(t), filepath.Join(t.TempDir(), "bfd")
	run(t, l.router, usual(node4))
	c, n := speaker(t, path)
	c.Apply([]Session{usual(router4)})
	testlab.Eventually(t, 5*time.Second, "nobody there", func() bool { return strings.Contains(n.problem(), path) })
	for range 2 {
		end := serve(t, l.node, path)
		n.waitUp(1)
		if p := n.problem(); p != "" {
			t.Error(p)
		}
		if up := n.metric("steelyard_bfd_session_up", router4); up != 1 {
			t.Errorf("steelyard_bfd_session_up is %v", up)
		}
		end()
		testlab.Eventually(t, 5*time.Second, "away", func() bool { return n.problem() != "" && len(n.statuses()) == 0 })
		if up := n.metric("steelyard_bfd_session_up", router4); up != 0 {
			t.Errorf("steelyard_bfd_session_up is %v, of a process that is away", up)
		}
	}
}

// problem is why nothing is known; "" if something is.
func (n *node) problem() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.last.Problem
}

// TestWhatCrossesTheSocket: a key that is no text, and the C bit, whatever the
// speaker says of it.
func TestWhatCrossesTheSocket(t *testing.T) {
	l, path := newLab(t), filepath.Join(t.TempDir(), "bfd")
	serve(t, l.node, path)
	mine, theirs := usual(router4), usual(node4)
	mine.Independent, theirs.Independent = false, false
	mine.Key = packet.Key{Type: packet.AuthSHA1, ID: 1, Secret: "\xff\x00\xfe"}
	theirs.Key = mine.Key
	peer := run(t, l.router, theirs)
	c, _ := speaker(t, path)
	c.Apply([]Session{mine})
	peer.waitUp(1)
	testlab.Eventually(t, 5*time.Second, "the C bit of a process of its own", func() bool { return peer.only().RemoteIndependent })
}

// TestTheLastSpeakerCounts, and one that talks nonsense changes nothing.
func TestTheLastSpeakerCounts(t *testing.T) {
	l, path := newLab(t), filepath.Join(t.TempDir(), "bfd")
	serve(t, l.node, path)
	peer := run(t, l.router, usual(node4), usual(node6))
	c, n := speaker(t, path)
	c.Apply([]Session{usual(router4)})
	n.waitUp(1)
	n.end()
	for _, nonsense := range []string{"nonsense\n", "{}\n", `[{"Peer":"router"}]` + "\n", "[" + strings.Repeat(" ", maxOrder+1)} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		go conn.Write([]byte(nonsense))
		conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.Copy(io.Discard, conn); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%.20q: %v", nonsense, err)
		}
		conn.Close()
	}
	if d := peer.downs(); len(d) > 0 {
		t.Errorf("fell: %+v", d)
	}
	other, m := speaker(t, path)
	other.Apply([]Session{usual(router4), usual(router6)})
	m.waitUp(2)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}
