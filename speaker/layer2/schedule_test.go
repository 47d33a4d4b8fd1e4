package layer2

import (
	"net/netip"
	"testing"
	"time"
)

func TestSchedule(t *testing.T) {
	s, link := newSchedule(), linkKey{name: "eth0"}
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	set := func(addrs ...netip.Addr) claimSet {
		m := refreshes{}
		for _, a := range addrs {
			m[a] = 0
		}
		return claimSet{link: m}
	}
	var sent []string
	run := func(from, to time.Duration) {
		for now := from; now < to; now += 100 * time.Millisecond {
			for _, t := range s.next(now) {
				sent = append(sent, now.String()+" "+t.addr.String())
			}
		}
	}
	s.set(set(a), time.Second)
	run(time.Second, 2500*time.Millisecond)
	s.set(set(b), 2500*time.Millisecond) // a is lost, b new
	run(2500*time.Millisecond, 4*time.Second)
	s.set(set(b), 4*time.Second) // nothing new
	run(4*time.Second, 20*time.Second)
	want := []string{"1s 192.0.2.1", "2s 192.0.2.1", "2.5s 192.0.2.2", "3.5s 192.0.2.2", "4.5s 192.0.2.2", "7.5s 192.0.2.2"}
	if len(sent) != len(want) {
		t.Fatalf("sent %q, want %q", sent, want)
	}
	for i := range want {
		if sent[i] != want[i] {
			t.Errorf("sent %q, want %q", sent, want)
		}
	}
	if w := s.wait(20*time.Second, time.Minute); w != time.Minute {
		t.Errorf("idle wait %v", w)
	}
}

// A thousand addresses taken over together are refreshed each about every 30
// seconds, evenly.
func TestRefresh(t *testing.T) {
	const addresses, interval = 1000, 30 * time.Second
	s, link, addrs := newSchedule(), linkKey{name: "eth0"}, refreshes{}
	for a := netip.MustParseAddr("192.0.2.0"); len(addrs) < addresses; a = a.Next() {
		addrs[a] = interval
	}
	s.set(claimSet{link: addrs}, time.Second)
	last, most, wakes := map[target]time.Duration{}, 0, 0
	for now := time.Second; now < 10*time.Minute; now += 10 * time.Millisecond {
		list := s.next(now)
		for _, d := range list {
			if since := now - last[d.target]; now > time.Minute && since > interval*5/4 {
				t.Fatalf("%v: %v without a word", d.addr, since)
			}
			last[d.target] = now
		}
		if now > time.Minute && len(list) > 0 {
			most, wakes = max(most, len(list)), wakes+1
		}
	}
	if len(last) != addresses || most > 40 || wakes > 10*9*60 {
		t.Errorf("%d addresses, up to %d at one time, at %d times", len(last), most, wakes)
	}
}

// With very many addresses each has its turn more seldom.
func TestRefreshIsBounded(t *testing.T) {
	s, link, addrs := newSchedule(), linkKey{name: "eth0"}, refreshes{}
	for a := netip.MustParseAddr("192.0.2.0"); len(addrs) < 1000; a = a.Next() {
		addrs[a] = time.Second
	}
	s.set(claimSet{link: addrs}, time.Second)
	count := 0
	for now := time.Second; now < 101*time.Second; now += 100 * time.Millisecond {
		for _, d := range s.next(now) {
			if now > 31*time.Second && d.refreshes() {
				count++
			}
		}
	}
	if count < 6000 || count > 8000 { // of 70,000 asked for
		t.Errorf("%d refreshes in 70 s", count)
	}
}

// An interval that changes counts from then on, also if there was none.
func TestRefreshChanges(t *testing.T) {
	s, link, a := newSchedule(), linkKey{name: "eth0"}, netip.MustParseAddr("192.0.2.1")
	count := func(every, from time.Duration) (n int) {
		s.set(claimSet{link: refreshes{a: every}}, from)
		for now := from; now < from+time.Minute; now += 100 * time.Millisecond {
			n += len(s.next(now))
		}
		return n
	}
	s.set(claimSet{link: refreshes{a: 0}}, time.Second)
	s.next(time.Minute)
	for i, step := range []struct {
		every    time.Duration
		min, max int
	}{{10 * time.Second, 5, 8}, {5 * time.Second, 10, 15}, {0, 0, 0}, {30 * time.Second, 1, 4}} {
		if n := count(step.every, time.Duration(i+2)*time.Minute); n < step.min || n > step.max {
			t.Errorf("every %v: %d in a minute", step.every, n)
		}
	}
}

// What a link does not take is tried again, until the announcement after it is
// due, and each of those comes once.
func TestScheduleTriesAgain(t *testing.T) {
	s, link, a := newSchedule(), linkKey{name: "eth0"}, netip.MustParseAddr("192.0.2.1")
	s.set(claimSet{link: refreshes{a: 0}}, time.Second)
	tries, took := map[time.Duration]int{}, 0
	for now := time.Second; now < 20*time.Second; now += 10 * time.Millisecond {
		for _, d := range s.next(now) {
			if now < 2500*time.Millisecond {
				tries[now.Truncate(time.Second)]++
				s.retry(d, now)
			} else {
				took++
			}
		}
	}
	if tries[time.Second] < 10 || tries[2*time.Second] < 5 || took != 3 || len(s.queue) > 0 {
		t.Errorf("tried %v, taken %d times, %d queued", tries, took, len(s.queue))
	}
}
