package session

import (
	"math"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
)

func up() packet.Packet { return from(packet.Up) }

func final(p packet.Packet) packet.Packet {
	p.Final = true
	return p
}

func TestNegotiatedTimes(t *testing.T) {
	for _, c := range []struct {
		name                string
		change              func(*packet.Packet)
		interval, detection time.Duration
	}{
		{"as is: ours", func(*packet.Packet) {}, 100 * ms, 4 * 200 * ms},
		{"the peer wants to hear less", func(p *packet.Packet) { p.MinRx = 500 * ms }, 500 * ms, 800 * ms},
		{"the peer sends less", func(p *packet.Packet) { p.MinTx = 300 * ms }, 100 * ms, 1200 * ms},
		{"another multiplier", func(p *packet.Packet) { p.Multiplier = 50 }, 100 * ms, 10 * time.Second},
		{"the longest there is", func(p *packet.Packet) {
			p.Multiplier, p.MinTx = 255, time.Duration(math.MaxUint32)*time.Microsecond
		}, 100 * ms, 255 * time.Duration(math.MaxUint32) * time.Microsecond},
	} {
		r := newRig(t, usual).to(packet.Up)
		p := up()
		c.change(&p)
		r.receive(p)
		if got := r.s.Status(); got.Interval != c.interval || got.Detection != c.detection {
			t.Errorf("%s: every %v, lost after %v; want %v, %v", c.name, got.Interval, got.Detection, c.interval, c.detection)
		}
	}
}

func TestUpStartsAPollSequence(t *testing.T) {
	r := newRig(t, usual)
	r.receive(from(packet.Init))
	if !r.last.Poll || r.last.Final || r.last.MinTx != 100*ms || r.last.State != packet.Up {
		t.Fatalf("on Up: %+v", r.last)
	}
	r.receive(up())
	r.wait(100 * ms)
	if !r.last.Poll {
		t.Error("P is not repeated until F comes")
	}
	r.receive(final(up()))
	r.wait(100 * ms)
	if r.last.Poll {
		t.Error("P after F")
	}
}

func TestPollIsAnsweredAtOnce(t *testing.T) {
	for _, state := range []packet.State{packet.Down, packet.Init, packet.Up} {
		r := newRig(t, usual).to(state)
		p := from(max(state, packet.Init))
		p.Poll = true
		out := r.receive(p)
		if !out.Send || !out.Packet.Final || out.Packet.Poll {
			t.Errorf("%v: %+v", state, out)
		}
	}
	r := newRig(t, usual).to(packet.Up)
	p := up()
	p.Poll, p.MinRx = true, 0 // who wants no periodic packets still gets answers
	if out := r.receive(p); !out.Send || !out.Packet.Final {
		t.Errorf("with Required Min RX 0: %+v", out)
	}
}

// TestChangesThatWaitForTheFinal: a longer transmit interval and a shorter
// receive interval (RFC 5880, 6.8.3).
func TestChangesThatWaitForTheFinal(t *testing.T) {
	r := newRig(t, usual).to(packet.Up)
	set := usual
	set.MinTx, set.MinRx = 400*ms, 160*ms
	out := r.take(r.s.Apply(set, r.now, middle))
	if !out.Send || !out.Packet.Poll || out.Packet.MinTx != 400*ms || out.Packet.MinRx != 160*ms {
		t.Fatalf("offer: %+v", out)
	}
	if got := r.s.Status(); got.Interval != 100*ms || got.Detection != 800*ms {
		t.Errorf("before the Final: every %v, lost after %v", got.Interval, got.Detection)
	}
	r.receive(up())
	r.receive(final(up()))
	if got := r.s.Status(); got.Interval != 400*ms || got.Detection != 640*ms {
		t.Errorf("after the Final: every %v, lost after %v", got.Interval, got.Detection)
	}
}

// TestChangesThatCountAtOnce: a shorter transmit and a longer receive interval.
func TestChangesThatCountAtOnce(t *testing.T) {
	r := newRig(t, usual).to(packet.Up)
	set := usual
	set.MinTx, set.MinRx = 60*ms, 300*ms
	out := r.take(r.s.Apply(set, r.now, middle))
	if got := r.s.Status(); !out.Packet.Poll || got.Interval != 60*ms || got.Detection != 1200*ms {
		t.Errorf("%+v, every %v, lost after %v", out, got.Interval, got.Detection)
	}
	set.Multiplier = 9 // needs no poll of its own
	r.receive(final(up()))
	if out := r.take(r.s.Apply(set, r.now, middle)); !out.Send || out.Packet.Poll || out.Packet.Multiplier != 9 {
		t.Errorf("multiplier: %+v", out)
	}
}

func TestASecondChangeWaitsForTheFirstPoll(t *testing.T) {
	r := newRig(t, usual).to(packet.Up)
	first, second := usual, usual
	first.MinTx, second.MinTx = 400*ms, 500*ms
	r.take(r.s.Apply(first, r.now, middle))
	r.take(r.s.Apply(second, r.now, middle))
	if r.last.MinTx != 400*ms {
		t.Fatalf("offers %v while it waits for an answer to 400 ms", r.last.MinTx)
	}
	r.receive(final(up()))
	if got := r.s.Status(); got.Interval != 400*ms || r.last.MinTx != 400*ms {
		t.Errorf("after the first: every %v", got.Interval)
	}
	r.receive(final(up())) // to a double of the poll
	for range 4 {
		r.wait(100 * ms)
		r.receive(up())
	}
	if !r.last.Poll || r.last.MinTx != 500*ms || r.s.Status().Interval != 400*ms {
		t.Errorf("the second: %+v, every %v", r.last, r.s.Status().Interval)
	}
	r.receive(final(up()))
	if got := r.s.Status(); got.Interval != 500*ms {
		t.Errorf("after the second: every %v", got.Interval)
	}
}

func TestFinalWithoutPollIsNothing(t *testing.T) {
	r := newRig(t, usual).to(packet.Up)
	before := r.s.Status()
	if out := r.receive(final(up())); out.Send || r.s.Status() != before {
		t.Errorf("%+v", out)
	}
}

func TestAPeerThatWantsMoreGetsItAtOnce(t *testing.T) {
	r := newRig(t, usual).to(packet.Up)
	p := up()
	p.MinRx, p.Multiplier = 10*time.Second, 255
	r.receive(p)
	r.wait(100 * ms) // one that was due
	r.wait(time.Second)
	sent := r.sent
	p.MinRx = 50 * ms
	r.receive(p)
	r.wait(0)
	if r.sent != sent+1 {
		t.Errorf("%d packets at once", r.sent-sent)
	}
}

func TestNoPeriodicPacketsForRequiredMinRxZero(t *testing.T) {
	r := newRig(t, usual).to(packet.Up)
	p := up()
	p.MinRx, p.Multiplier = 0, 255
	r.receive(p)
	sent := r.sent
	r.wait(10 * time.Second)
	if r.sent != sent {
		t.Errorf("%d packets", r.sent-sent)
	}
	r.wait(time.Minute) // the peer is lost, and what it wanted with it
	if r.sent == sent || r.last.Diag != packet.DetectionExpired {
		t.Errorf("after the end: %d packets, %v", r.sent-sent, r.last.Diag)
	}
}

// TestDemand: a peer in demand mode hears us only when something changes or is
// asked (RFC 5880, 6.6), and only while both are Up.
func TestDemand(t *testing.T) {
	r := newRig(t, usual).to(packet.Up)
	p := up()
	p.Demand, p.Multiplier = true, 255
	r.receive(p)
	sent := r.sent
	r.wait(10 * time.Second)
	if r.sent != sent {
		t.Errorf("%d packets to a peer in demand mode", r.sent-sent)
	}
	set := usual
	set.MinTx = 70 * ms
	r.take(r.s.Apply(set, r.now, middle))
	r.wait(500 * ms)
	if r.sent < sent+5 || !r.last.Poll {
		t.Errorf("polls are not repeated: %d packets", r.sent-sent)
	}
	r.receive(final(p))
	sent = r.sent
	r.wait(time.Second)
	if r.sent != sent {
		t.Error("goes on after the poll")
	}
	p.Demand = false
	r.receive(p)
	r.wait(time.Second)
	if r.sent < sent+10 {
		t.Errorf("%d packets in a second when demand mode has ended", r.sent-sent)
	}
	p.Demand, p.State = true, packet.Init // not Up: the bit says nothing
	r.receive(p)
	sent = r.sent
	r.wait(time.Second)
	if r.sent < sent+10 {
		t.Errorf("%d packets in a second to a peer that is not Up", r.sent-sent)
	}
	if r.last.Demand {
		t.Error("we ask for demand mode")
	}
}

func TestJitter(t *testing.T) {
	for _, c := range []struct {
		multiplier uint8
		random     uint32
		least      time.Duration
		most       time.Duration
	}{
		{3, 0, 100 * ms, 100 * ms}, {3, math.MaxUint32, 75 * ms, 75*ms + time.Microsecond}, {3, middle, 87 * ms, 88 * ms},
		{1, 0, 90 * ms, 90 * ms}, {1, math.MaxUint32, 75 * ms, 75*ms + time.Microsecond},
	} {
		set := usual
		set.Multiplier = c.multiplier
		s := newRig(t, set).to(packet.Up).s
		if got := s.jittered(c.random); got < c.least || got > c.most {
			t.Errorf("multiplier %d, random %d: %v", c.multiplier, c.random, got)
		}
	}
	r := newRig(t, usual).to(packet.Up)
	p := up()
	p.MinRx = time.Duration(math.MaxUint32) * time.Microsecond
	r.receive(p)
	if got := r.s.jittered(math.MaxUint32); got < p.MinRx/4*3 || got > p.MinRx {
		t.Errorf("of %v: %v", p.MinRx, got)
	}
}
