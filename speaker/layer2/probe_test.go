package layer2

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config/host"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

var (
	eth0   = linkKey{name: "eth0", index: 2, mac: hardware{2, 0, 0, 0, 0, 1}}
	theirs = hardware{2, 0, 0, 0, 0, 9}
)

func only(addrs ...netip.Addr) claimSet {
	m := refreshes{}
	for _, a := range addrs {
		m[a] = 0
	}
	return claimSet{eth0: m}
}

// rounds lets p run and returns when probes were sent.
func rounds(p probes, from, to time.Duration) (sent []time.Duration) {
	for now := from; now < to; now += 10 * time.Millisecond {
		if out, _ := p.next(now); len(out) > 0 {
			sent = append(sent, now)
		}
	}
	return sent
}

func at(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }

func TestProbeOfFreeAddress(t *testing.T) {
	p := probes{}
	p.set(only(vip4), at(1000))
	if sent := rounds(p, at(1000), at(1300)); !slices.Equal(sent, []time.Duration{at(1000), at(1100), at(1200)}) {
		t.Errorf("probes at %v", sent)
	}
	if len(p.verdicts()) != 0 {
		t.Errorf("verdict before the time: %v", p.verdicts())
	}
	if sent := rounds(p, at(1300), at(90000)); len(sent) > 0 || !p.verdicts()[vip4].Free {
		t.Errorf("probes at %v, verdict %v", sent, p.verdicts())
	}
	p.set(only(vip4), at(90000)) // still wanted: nothing is asked twice
	if sent := rounds(p, at(90000), at(91000)); len(sent) > 0 {
		t.Errorf("probes again at %v", sent)
	}
	p.set(only(), at(91000))
	p.set(only(vip4), at(91000)) // wanted anew
	if sent := rounds(p, at(91000), at(92000)); len(sent) != 3 {
		t.Errorf("probes at %v", sent)
	}
}

func TestProbeOfTakenAddress(t *testing.T) {
	p := probes{}
	p.set(only(vip4), at(1000))
	rounds(p, at(1000), at(1150))
	if !p.heard(vip4, eth0, theirs, at(1150)) || p.heard(vip4, eth0, theirs, at(1160)) {
		t.Error("a stranger is news once")
	}
	want := announce.Probe{Link: "eth0", MAC: "02:00:00:00:00:09"}
	sent := rounds(p, at(1160), at(31200))
	if p.verdicts()[vip4] != want || len(sent) != 1 || sent[0] != at(31160) {
		t.Errorf("verdict %v, probes at %v", p.verdicts(), sent)
	}
	if p.heard(vip4, eth0, theirs, at(31210)) {
		t.Error("the same stranger is news again")
	}
	rounds(p, at(31210), at(61500)) // and now he is gone
	if p.verdicts()[vip4] != want {
		t.Errorf("verdict %v in the middle of a round", p.verdicts())
	}
	rounds(p, at(61500), at(62000))
	if !p.verdicts()[vip4].Free {
		t.Errorf("verdict %v", p.verdicts())
	}
	if !p.heard(vip4, eth0, theirs, at(63000)) || p.verdicts()[vip4].Free {
		t.Error("somebody came who is faster than our claim, and it was not noted")
	}
}

// Who was frozen in the middle may have missed the answer.
func TestProbeAfterFreeze(t *testing.T) {
	p := probes{}
	p.set(only(vip4), at(1000))
	rounds(p, at(1000), at(1250))
	if sent := rounds(p, at(11000), at(11290)); len(sent) != 3 || len(p.verdicts()) != 0 {
		t.Errorf("probes at %v, verdict %v", sent, p.verdicts())
	}
}

func TestDefence(t *testing.T) {
	c, claims := conflicts{}, only(vip4)
	defended := func(now time.Duration) int {
		out, _ := c.next(claims, now)
		return len(out)
	}
	if !c.heard(vip4, eth0, theirs, at(1000)) || defended(at(1000)) != 1 {
		t.Error("not defended when a stranger appears")
	}
	for now := at(1000); now < at(200_000); now += at(100) { // he insists
		if c.heard(vip4, eth0, hardware{2, 0, 0, 0, 1, byte(now)}, now) || defended(now) > 0 {
			t.Fatal("defended again")
		}
	}
	if got := c.list(); len(got) != 1 || got[0] != (Conflict{vip4, "eth0", "02:00:00:00:00:09"}) {
		t.Errorf("conflicts %v", got)
	}
	if _, ended := c.next(claims, at(270_000)); !ended || len(c.list()) != 0 {
		t.Error("a stranger not heard for a minute is still there")
	}
	if !c.heard(vip4, eth0, theirs, at(280_000)) || defended(at(280_000)) != 1 {
		t.Error("not defended when he comes back")
	}
	if _, ended := c.next(only(), at(281_000)); !ended || len(c) != 0 {
		t.Error("what is not ours any more is not forgotten")
	}
}

func TestCompany(t *testing.T) {
	state := host.State{Links: []host.Link{{Name: "eth0", MAC: []byte{2, 0, 0, 0, 0, 1}}, {Name: "lo"}}}
	told := announce.Member{Node: "n2", Alive: true, Links: []announce.Link{{Name: "eth0", MAC: [6]byte{2, 0, 0, 0, 0, 2}}}}
	silent := announce.Member{Node: "n3", Alive: true, Links: []announce.Link{{Name: "eth0"}}}
	unknown := announce.Member{Node: "n4", Alive: true}
	dead := announce.Member{Node: "n5"}
	for _, tt := range []struct {
		name   string
		others []announce.Member
		mac    hardware
		want   drop
	}{
		{"our own", nil, hardware{2, 0, 0, 0, 0, 1}, dropOwn},
		{"a member", []announce.Member{told}, hardware{2, 0, 0, 0, 0, 2}, dropMember},
		{"a stranger", []announce.Member{told, dead}, theirs, dropConflict},
		{"nobody else", nil, theirs, dropConflict},
		{"maybe one of an older version", []announce.Member{told, silent}, theirs, dropMember},
		{"maybe one not known", []announce.Member{told, unknown}, theirs, dropMember},
	} {
		if got := companyOf(tt.others, state).judge(tt.mac); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A probe that could not be sent does not count.
func TestUnsentProbes(t *testing.T) {
	p, now := probes{}, time.Second
	p.set(only(vip4), now)
	for range 10 {
		if out, _ := p.next(now); len(out) != 1 {
			t.Fatalf("sent %v at %v", out, now)
		}
		p.unasked(vip4, now)
		now += p.wait(now, time.Minute)
	}
	if len(p.verdicts()) > 0 {
		t.Errorf("verdict %v without a question", p.verdicts())
	}
	if sent := rounds(p, now, now+time.Second); len(sent) != probeCount || !p.verdicts()[vip4].Free {
		t.Errorf("sent at %v, then verdict %v", sent, p.verdicts())
	}
}
