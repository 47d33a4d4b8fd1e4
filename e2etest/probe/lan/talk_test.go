package lan

import (
	"testing"
	"time"
)

func TestTimeline(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	var talk Talk
	for ms := range 100 {
		talk.Asked = append(talk.Asked, at(10*ms))
		who := "a"
		if ms >= 40 {
			who = "b"
		}
		if ms < 20 || ms >= 40 {
			talk.Answers = append(talk.Answers, Word{who, at(10*ms + 1)})
		}
	}
	name := func(mac string) string { return "host " + mac }
	if got := talk.Timeline(at(100), name); got != "host a -99 to 91, host b 301 to 891" {
		t.Error(got)
	}
	if got := talk.Between(at(195), at(400)).Timeline(start, name); got != "nobody" {
		t.Error(got)
	}
	part := talk.Between(at(100), at(500))
	if who := part.Speakers(); len(who) != 2 || who[0] != "a" || len(part.Asked) != 40 || len(part.Answers) != 20 {
		t.Errorf("%v, %d asked, %d answered", who, len(part.Asked), len(part.Answers))
	}
}
