package relay

import (
	"context"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/config/lines"
)

// speaker is a client and what it was told last.
type speaker struct {
	*Client
	reg *prometheus.Registry
	end func()

	mu   sync.Mutex
	last Report
}

func newSpeaker(t *testing.T, path string) *speaker {
	t.Helper()
	reg := prometheus.NewRegistry()
	s := &speaker{Client: NewClient(path, reg), reg: reg}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case r := <-s.Updates():
				s.mu.Lock()
				s.last = r
				s.mu.Unlock()
			}
		}
	})
	var once sync.Once
	s.end = func() {
		once.Do(func() {
			cancel()
			wg.Wait()
		})
	}
	t.Cleanup(s.end)
	return s
}

func (s *speaker) report() Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// value is that of a metric without labels.
func (s *speaker) value(t *testing.T, name string) float64 {
	t.Helper()
	families, err := s.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if m := f.GetMetric()[0]; f.GetName() == name {
			return m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// serve has the rig's engine obey at path until the test ends, or end is called.
func (r *rig) serve(path string) (end func()) {
	r.t.Helper()
	l, err := lines.Listen(path)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := NewServer(r.e).Run(ctx, l); err != nil {
			r.t.Error(err)
		}
	})
	end = func() {
		cancel()
		wg.Wait()
	}
	r.t.Cleanup(end)
	return end
}

// config is that the rig's frontends lead to backends.
func (r *rig) config(version uint8, backends ...netip.AddrPort) Config {
	zero := 0
	c := Config{Groups: []Group{{Backends: backends}}, Frontends: []Frontend{
		{Addr: r.front4, ProxyProtocol: version, Group: &zero}, {Addr: r.front6, ProxyProtocol: version, Inside: &zero, Group: &zero}}}
	c.Digest = c.digest()
	return c
}

// TestTheSpeakerRestarts: the relay goes on; the next speaker knows what is served
// once it wants the same, at once.
func TestTheSpeakerRestarts(t *testing.T) {
	r := newRig(t, Options{})
	path := filepath.Join(t.TempDir(), "relay")
	r.serve(path)
	want := r.config(2, r.backend(echo))
	s := newSpeaker(t, path)
	eventually(t, "it says where it listens", func() bool { return s.report().Port == r.front4.Port() })
	if s.report().Serves != nil {
		t.Errorf("%+v before anything was asked for", s.report())
	}
	s.Apply(want)
	eventually(t, "both frontends are served", func() bool { return s.report().Serves[r.front4] && s.report().Serves[r.front6] })
	conn := r.dial(r.front4)
	say(t, conn, "hello")
	eventually(t, "it is counted", func() bool { return s.value(t, "steelyard_relay_connections") == 1 })
	if s.value(t, "steelyard_relay_up") != 1 || len(s.Problems("n1")) > 0 {
		t.Errorf("up %v, %v", s.value(t, "steelyard_relay_up"), s.Problems("n1"))
	}
	s.end()
	say(t, conn, "nobody noticed")
	say(t, r.dial(r.front6), "new ones, too")
	s = newSpeaker(t, path)
	s.Apply(want)
	eventually(t, "they are served", func() bool { return s.report().Serves[r.front4] })
	say(t, conn, "still here")

	// Something else is wanted: what was served before and still is remains ready.
	less := want
	less.Frontends = want.Frontends[:1]
	less.Digest = less.digest()
	s.Apply(less)
	eventually(t, "one is left", func() bool { return s.report().Serves[r.front4] && !s.report().Serves[r.front6] })
	r.refused(r.front6, "a frontend that is none any more")

	r.stop()
	eventually(t, "a relay that drains serves nobody", func() bool { return s.report().Serves == nil })
}

// TestTheRelayRestarts: the speaker says that it is away, and tells the next one
// what is wanted.
func TestTheRelayRestarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay")
	s := newSpeaker(t, path)
	eventually(t, "nobody there", func() bool { return strings.Contains(s.report().Problem, path) })
	if p := s.Problems("n1"); len(p) > 0 {
		t.Errorf("%v, though nothing is relayed", p)
	}
	for range 2 {
		r := newRig(t, Options{Drain: time.Second})
		want := r.config(1, r.backend(echo))
		s.Apply(want)
		end := r.serve(path)
		eventually(t, "served", func() bool { return s.report().Serves[r.front4] && s.report().Problem == "" })
		say(t, r.dial(r.front4), "hello")
		r.end()
		end()
		eventually(t, "away", func() bool { return s.report().Problem != "" && s.report().Serves == nil })
		if p := s.Problems("n1"); len(p) != 1 || p[0].Reason != "RelayUnreachable" || s.value(t, "steelyard_relay_up") != 0 {
			t.Errorf("%v", p)
		}
	}
}

// TestNonsenseOverTheSocket changes nothing.
func TestNonsenseOverTheSocket(t *testing.T) {
	r := newRig(t, Options{})
	path := filepath.Join(t.TempDir(), "relay")
	r.serve(path)
	s := newSpeaker(t, path)
	s.Apply(r.config(2, r.backend(echo)))
	eventually(t, "served", func() bool { return s.report().Serves[r.front4] })
	s.end()
	for _, nonsense := range []string{"nonsense\n", "[]\n", `{"Frontends":[{"Addr":"1.2.3.4:80","ProxyProtocol":2,"Group":7}]}` + "\n", `{"Insiders":[{}]}` + "\n"} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, nonsense)
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.Copy(io.Discard, conn); err != nil && !reset(err) {
			t.Errorf("%q: %v", nonsense, err)
		}
		conn.Close()
	}
	say(t, r.dial(r.front4), "as before")
}
