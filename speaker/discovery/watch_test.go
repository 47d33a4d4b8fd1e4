package discovery

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// story plays what is heard, as "second what", to a watch that begins at 0, until
// the end, and writes down what it does. chance is 0.
func story(end int, heard ...string) (out []string) {
	w := newWatch(0)
	note := func(at time.Duration, what string) {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%g %s", at.Seconds(), what)))
	}
	var now time.Duration
	act := func() {
		ask, tell, news := w.due(now, 0)
		if ask {
			note(now, "ask")
		}
		if tell {
			note(now, "tell")
		}
		if news {
			note(now, "router "+w.router.String())
		}
	}
	until := func(at time.Duration) {
		for act(); now+w.wait(now) <= at; act() {
			now += w.wait(now)
		}
		now = at
	}
	for _, line := range heard {
		var second float64
		var what string
		if _, err := fmt.Sscanf(line, "%g %s", &second, &what); err != nil {
			panic(err)
		}
		until(time.Duration(second * float64(time.Second)))
		switch {
		case what == "asked":
			w.asked(now)
		case what == "failed":
			w.again(now)
		case w.heard(netip.MustParseAddr(what), now):
			note(now, "router "+what)
		}
	}
	until(time.Duration(end) * time.Second)
	return out
}

func TestWatch(t *testing.T) {
	for _, c := range []struct {
		name  string
		end   int
		heard []string
		want  string
	}{
		{"nobody there: three questions, then advertisements", 25, nil,
			"0 ask, 0 tell, 4 ask, 8 ask, 10 tell, 20 tell"},
		{"a router is told soon, and not asked for any more", 15, []string{"1 fe80::1", "6 fe80::1"},
			"0 ask, 0 tell, 1 router fe80::1, 3 tell, 13 tell"},
		{"who asks is answered, not more often than every 3 s", 11, []string{"5 asked", "6 asked", "7 asked"},
			"0 ask, 0 tell, 4 ask, 5 tell, 8 ask, 8 tell"},
		{"a second router beside one that answers", 30, []string{"1 fe80::1", "9 fe80::2", "10 fe80::1", "20 fe80::1"},
			"0 ask, 0 tell, 1 router fe80::1, 3 tell, 9 ask, 13 tell, 23 tell"},
		{"a second router beside one that does not answer", 24, []string{"1 fe80::1", "9 fe80::2", "12 fe80::2"},
			"0 ask, 0 tell, 1 router fe80::1, 3 tell, 9 ask, 13 tell, 14 router fe80::2, 16 tell"},
		{"a third one has to wait", 16, []string{"1 fe80::1", "9 fe80::2", "10 fe80::3", "15 fe80::3"},
			"0 ask, 0 tell, 1 router fe80::1, 3 tell, 9 ask, 13 tell, 14 router fe80::2, 15 ask, 16 tell"},
		{"the first one is asked about every 4 s at most", 14, []string{"1 fe80::1", "5 fe80::2", "5.5 fe80::1", "6 fe80::2", "6.5 fe80::1", "10 fe80::2", "10.5 fe80::1"},
			"0 ask, 0 tell, 1 router fe80::1, 3 tell, 5 ask, 10 ask, 13 tell"},
		{"what did not go out is sent again", 9, []string{"2 failed"},
			"0 ask, 0 tell, 2 ask, 2 tell, 6 ask"},
	} {
		if got := strings.Join(story(c.end, c.heard...), ", "); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// Whatever is heard, advertisements keep their distance and go on.
func TestAdvertisementsKeepTheirDistance(t *testing.T) {
	var flood []string
	for i := range 4000 {
		flood = append(flood, fmt.Sprintf("%g %s", float64(i)/100, []string{"asked", "fe80::1", "asked", "fe80::2"}[i%4]))
	}
	var told []float64
	for _, line := range story(60, flood...) {
		var at float64
		var what string
		if n, _ := fmt.Sscanf(line, "%g %s", &at, &what); n == 2 && what == "tell" {
			told = append(told, at)
		}
	}
	if len(told) < 6 || !slices.IsSorted(told) {
		t.Fatalf("told at %v", told)
	}
	for i := range told[1:] {
		if gap := told[i+1] - told[i]; gap < 2.99 || gap > 10.01 {
			t.Errorf("told at %g, then at %g", told[i], told[i+1])
		}
	}
}
