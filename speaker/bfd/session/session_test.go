package session

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
)

const (
	ms     = time.Millisecond
	middle = 1 << 31 // of the random numbers: jitter of an eighth
)

var (
	start  = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	usual  = Settings{MinTx: 100 * ms, MinRx: 200 * ms, Multiplier: 3, Independent: true}
	states = []packet.State{packet.AdminDown, packet.Down, packet.Init, packet.Up}
)

// rig is a session and the time; the test is its peer.
type rig struct {
	t    *testing.T
	s    *Session
	now  time.Time
	last packet.Packet // sent by the session last
	sent int
	why  packet.Discard
}

func newRig(t *testing.T, set Settings) *rig {
	t.Helper()
	r := &rig{t: t, s: New(set, 7, 0xfffffff0, start), now: start}
	r.take(r.s.Step(r.now, middle))
	return r
}

func (r *rig) take(out Output) Output {
	if out.Send {
		r.last, r.sent = out.Packet, r.sent+1
	}
	return out
}

// from is a packet of a usual peer.
func from(state packet.State) packet.Packet {
	p := packet.Packet{State: state, Multiplier: 4, Mine: 99, Yours: 7, MinTx: 150 * ms, MinRx: 50 * ms}
	if state < packet.Up {
		p.MinTx = time.Second
	}
	return p
}

func (r *rig) receive(p packet.Packet) Output {
	r.t.Helper()
	out, why := r.s.Receive(p, nil, r.now, middle)
	r.why = why
	return r.take(out)
}

// wait lets time pass, and steps whenever the session wants it.
func (r *rig) wait(d time.Duration) {
	r.t.Helper()
	for end := r.now.Add(d); ; {
		due := r.s.Due()
		if due.IsZero() || due.After(end) {
			r.now = end
			return
		}
		if due.After(r.now) {
			r.now = due
		}
		before := r.sent
		r.take(r.s.Step(r.now, middle))
		if next := r.s.Due(); r.sent == before && !next.IsZero() && !next.After(r.now) {
			r.t.Fatalf("due at %v again, and nothing was done", next.Sub(start))
		}
	}
}

// to brings the session to a state, as a peer would.
func (r *rig) to(state packet.State) *rig {
	r.t.Helper()
	switch state {
	case packet.AdminDown:
		set := r.s.set
		set.AdminDown = true
		r.take(r.s.Apply(set, r.now, middle))
	case packet.Init:
		r.receive(from(packet.Down))
	case packet.Up:
		r.receive(from(packet.Init))
		r.receive(packet.Packet{State: packet.Up, Final: true, Multiplier: 4, Mine: 99, Yours: 7, MinTx: 150 * ms, MinRx: 50 * ms})
	}
	r.is(state)
	return r
}

func (r *rig) is(state packet.State) {
	r.t.Helper()
	if got := r.s.Status().State; got != state {
		r.t.Fatalf("state %v, want %v", got, state)
	}
}

// TestStateTable is the table of RFC 5880, 6.2 and 6.8.6: state × what a packet
// says → state and diagnostic.
func TestStateTable(t *testing.T) {
	const keep, neighbor, admin = packet.NoDiag, packet.NeighborDown, packet.AdminDowned
	table := map[packet.State][4]struct { // by what is heard: AdminDown, Down, Init, Up
		to   packet.State
		diag packet.Diag
	}{
		packet.AdminDown: {{packet.AdminDown, admin}, {packet.AdminDown, admin}, {packet.AdminDown, admin}, {packet.AdminDown, admin}},
		packet.Down:      {{packet.Down, keep}, {packet.Init, keep}, {packet.Up, keep}, {packet.Down, keep}},
		packet.Init:      {{packet.Down, neighbor}, {packet.Init, keep}, {packet.Up, keep}, {packet.Up, keep}},
		packet.Up:        {{packet.Down, neighbor}, {packet.Down, neighbor}, {packet.Up, keep}, {packet.Up, keep}},
	}
	for state, row := range table {
		for heard, want := range row {
			r := newRig(t, usual).to(state)
			out := r.receive(from(states[heard]))
			got := r.s.Status()
			if got.State != want.to || got.Diag != want.diag || out.From != state || out.To != want.to {
				t.Errorf("%v, and %v is heard: %v (%v), output %v to %v; want %v (%v)", state, states[heard],
					got.State, got.Diag, out.From, out.To, want.to, want.diag)
			}
			if want.to != state && (!out.Send || out.Packet.State != want.to || out.Packet.Diag != want.diag || !out.Changed) {
				t.Errorf("%v to %v: the peer is not told at once: %+v", state, want.to, out)
			}
			if discarded := r.why == packet.AdminDownSession; discarded != (state == packet.AdminDown) {
				t.Errorf("%v: %v", state, r.why)
			}
		}
	}
}

func TestSilenceByState(t *testing.T) {
	for _, c := range []struct {
		state, want packet.State
		diag        packet.Diag
		after       time.Duration
	}{
		{packet.Down, packet.Down, packet.NoDiag, 0},
		{packet.AdminDown, packet.AdminDown, packet.AdminDowned, 0},
		{packet.Init, packet.Down, packet.DetectionExpired, 4 * time.Second}, // 4 × the peer's 1 s
		{packet.Up, packet.Down, packet.DetectionExpired, 800 * ms},          // 4 × our 200 ms
	} {
		r := newRig(t, usual).to(c.state)
		if c.after > 0 {
			r.wait(c.after - ms)
			r.is(c.state)
			r.wait(ms)
		}
		r.wait(10 * time.Second)
		if got := r.s.Status(); got.State != c.want || got.Diag != c.diag || got.Yours != 0 && c.after > 0 {
			t.Errorf("%v: %+v", c.state, got)
		}
	}
}

func TestSilenceIsToldAtOnceAndForgetsThePeer(t *testing.T) {
	r := newRig(t, usual).to(packet.Up)
	r.wait(799 * ms)
	sent := r.sent
	r.now = r.now.Add(ms)
	out := r.take(r.s.Step(r.now, middle))
	if r.sent != sent+1 || out.From != packet.Up || out.To != packet.Down {
		t.Fatalf("%+v", out)
	}
	if p := out.Packet; p.State != packet.Down || p.Diag != packet.DetectionExpired || p.Yours != 0 || p.MinTx != time.Second {
		t.Errorf("the peer is told %+v", p)
	}
	if got := r.s.Status(); got.Remote != packet.Down || got.Detection != 0 || got.Interval != time.Second || !got.Since.Equal(r.now) {
		t.Errorf("%+v", got)
	}
}

// TestDiscriminatorIsForgottenInEveryState: or a peer that begins anew and
// waits to be spoken to would not know whom we mean.
func TestDiscriminatorIsForgottenInEveryState(t *testing.T) {
	for _, state := range []packet.State{packet.Down, packet.AdminDown} {
		r := newRig(t, usual).to(state)
		r.receive(from(packet.Up)) // moves neither
		r.is(state)
		if got := r.s.Status().Yours; got != 99 {
			t.Errorf("%v: discriminator %d", state, got)
		}
		r.wait(4 * time.Second)
		if got := r.s.Status().Yours; got != 0 || r.last.Yours != 0 {
			t.Errorf("%v: discriminator %d after a silence, %d sent", state, got, r.last.Yours)
		}
	}
}

func TestDiagnosticIsClearedByUp(t *testing.T) {
	r := newRig(t, usual).to(packet.Up)
	r.receive(from(packet.Down))
	r.receive(from(packet.Down))
	r.is(packet.Init)
	if r.last.Diag != packet.NeighborDown {
		t.Errorf("in Init: %v", r.last.Diag)
	}
	r.receive(from(packet.Init))
	if r.last.Diag != packet.NoDiag || r.last.State != packet.Up {
		t.Errorf("Up: %+v", r.last)
	}
}

func TestFirstPacket(t *testing.T) {
	r := newRig(t, usual)
	want := packet.Packet{State: packet.Down, Independent: true, Multiplier: 3, Mine: 7, MinTx: time.Second, MinRx: 200 * ms}
	if r.sent != 1 || r.last != want {
		t.Errorf("%d sent, %+v\nwant %+v", r.sent, r.last, want)
	}
	set := usual
	set.Independent = false
	if r := newRig(t, set); r.last.Independent {
		t.Error("the C bit is set")
	}
}

func TestSlowUntilUp(t *testing.T) {
	r := newRig(t, usual)
	r.wait(10 * time.Second)
	if r.sent < 11 || r.sent > 13 { // with 7/8 of 1 s between them
		t.Errorf("%d packets in 10 s", r.sent)
	}
	r = newRig(t, usual).to(packet.Up)
	before := r.sent
	r.wait(750 * ms) // 7/8 of 100 ms between them
	if n := r.sent - before; n < 8 || n > 9 {
		t.Errorf("Up: %d packets in 750 ms", n)
	}
}

func TestPassive(t *testing.T) {
	set := usual
	set.Passive = true
	r := newRig(t, set)
	r.wait(10 * time.Second)
	if r.sent != 0 {
		t.Fatalf("%d packets before the peer spoke", r.sent)
	}
	p := from(packet.Down)
	p.Yours = 0
	if out := r.receive(p); !out.Send || out.Packet.State != packet.Init || out.Packet.Yours != 99 {
		t.Errorf("answer to the first packet: %+v", out)
	}
	r.receive(from(packet.Up))
	r.is(packet.Up)
	r.wait(800 * ms)
	r.is(packet.Down)
	sent := r.sent
	r.wait(10 * time.Second)
	if r.sent != sent {
		t.Error("speaks to a peer that is gone")
	}
}

func TestAdminDown(t *testing.T) {
	r := newRig(t, usual).to(packet.Up).to(packet.AdminDown)
	if r.last.State != packet.AdminDown || r.last.Diag != packet.AdminDowned || r.last.MinTx != time.Second {
		t.Errorf("the peer is told %+v", r.last)
	}
	sent := r.sent
	r.wait(5 * time.Second)
	if n := r.sent - sent; n < 5 || n > 7 {
		t.Errorf("told %d times in 5 s", n)
	}
	poll := from(packet.Down)
	poll.Poll = true
	if out := r.receive(poll); out.Send && out.Packet.Final {
		t.Error("an AdminDown session answers polls")
	}
	r.take(r.s.Apply(usual, r.now, middle))
	r.is(packet.Down)
	if r.last.State != packet.Down {
		t.Error("the peer is not told of the end at once")
	}
	set := usual
	set.AdminDown = true
	if r := newRig(t, set); r.last.State != packet.AdminDown || r.last.Diag != packet.AdminDowned {
		t.Errorf("born AdminDown: %+v", r.last)
	}
}

func TestLeave(t *testing.T) {
	r := newRig(t, usual).to(packet.Up)
	r.take(r.s.Leave(true, r.now, middle))
	if r.last.State != packet.AdminDown || r.last.Diag != packet.AdminDowned || r.s.Gone(r.now) {
		t.Errorf("with notice: %+v", r.last)
	}
	sent := r.sent
	r.wait(slow - ms)
	if r.sent != sent+1 || r.s.Gone(r.now) {
		t.Errorf("%d more packets", r.sent-sent)
	}
	r.now = r.now.Add(ms)
	if !r.s.Gone(r.now) {
		t.Error("not gone after a second")
	}
	r = newRig(t, usual).to(packet.Up)
	sent = r.sent
	if out := r.take(r.s.Leave(false, r.now, middle)); r.sent != sent || out.To != packet.AdminDown || !r.s.Gone(r.now) {
		t.Errorf("without notice: %+v", out)
	}
}

// TestLeaveOfAPeerThatAsksForWeeks: its wish does not keep the session.
func TestLeaveOfAPeerThatAsksForWeeks(t *testing.T) {
	r := newRig(t, usual).to(packet.Up)
	p := from(packet.Up)
	p.Multiplier, p.MinTx = 255, time.Hour
	r.receive(p)
	r.take(r.s.Leave(true, r.now, middle))
	if r.s.Gone(r.now.Add(mostLeave - ms)) {
		t.Error("gone early")
	}
	if !r.s.Gone(r.now.Add(mostLeave)) {
		t.Errorf("not gone, the detection time is %v", r.s.Detection())
	}
}

func TestRestartedPeer(t *testing.T) {
	r := newRig(t, usual).to(packet.Up)
	p := from(packet.Down)
	p.Mine, p.Yours = 1234, 0
	r.receive(p)
	r.is(packet.Down)
	if r.last.Yours != 1234 || r.last.Diag != packet.NeighborDown {
		t.Errorf("%+v", r.last)
	}
}

func TestCheck(t *testing.T) {
	good := func(change func(*Settings)) Settings {
		s := Settings{MinTx: 50 * ms, MinRx: 50 * ms, Multiplier: 3}
		change(&s)
		return s
	}
	for want, s := range map[string]Settings{
		"":                                   good(func(*Settings) {}),
		" ":                                  good(func(s *Settings) { s.MinTx, s.MinRx, s.Multiplier = 75*ms, MostInterval, 2 }),
		"transmit interval 49ms is too":      good(func(s *Settings) { s.MinTx = 49 * ms }),
		"receive interval 10ms is too":       good(func(s *Settings) { s.MinRx = 10 * ms }),
		"multiplier 2 make a detection time": good(func(s *Settings) { s.Multiplier = 2 }),
		"receive interval 1m0.001s is too":   good(func(s *Settings) { s.MinRx = MostInterval + ms }),
		"one lost packet":                    good(func(s *Settings) { s.MinTx, s.MinRx, s.Multiplier = time.Second, time.Second, 1 }),
		"in the clear":                       good(func(s *Settings) { s.Key = packet.Key{Type: packet.AuthPassword, Secret: "x"} }),
	} {
		err := s.Check()
		if strings.TrimSpace(want) == "" && err != nil || strings.TrimSpace(want) != "" && !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%+v: %v, want %q", s, err, want)
		}
	}
}
