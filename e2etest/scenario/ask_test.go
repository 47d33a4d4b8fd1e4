package scenario

import (
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/probe/lan"
)

// TestWindow judges a talk in which n1 answers until 150 ms after the mark and n2
// from 200 ms on; one more of n1's answers comes at 600 ms.
func TestWindow(t *testing.T) {
	mark := time.Unix(1000, 0)
	at := func(ms int) time.Time { return mark.Add(time.Duration(ms) * time.Millisecond) }
	var talk lan.Talk
	for ms := -500; ms < 2000; ms += 10 {
		talk.Asked = append(talk.Asked, at(ms))
		switch {
		case ms < 150:
			talk.Answers = append(talk.Answers, lan.Word{From: "n1", At: at(ms)})
		case ms == 600:
			talk.Answers = append(talk.Answers, lan.Word{From: "n1", At: at(ms)}, lan.Word{From: "n2", At: at(ms)})
		case ms >= 200:
			talk.Answers = append(talk.Answers, lan.Word{From: "n2", At: at(ms)})
		}
	}
	name := func(mac string) string { return mac }
	for _, tt := range []struct {
		want         string
		after, until int
		ok           bool
	}{
		{"n1", 0, 150, true}, {"n2", 0, 150, false}, {"one", 0, 150, true},
		{"none", 150, 200, true}, {"none", 140, 200, false}, {"none", 150, 210, false},
		{"n2", 200, 600, true}, {"n2", 200, 700, false}, {"one", 200, 700, false},
		{"n2", 700, 0, true}, {"one", 700, 0, true}, {"none", 700, 0, false},
		{"n2", 150, 300, false},                          // too few
		{"none", 2000, 0, false}, {"n2", 2000, 0, false}, // nothing was asked
	} {
		w := window{tt.want, time.Duration(tt.after) * time.Millisecond, time.Duration(tt.until) * time.Millisecond}
		if err := w.judge(talk, mark, at(2000), name); (err == nil) != tt.ok {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	talk.Answers = append(talk.Answers, talk.Between(at(700), at(2000)).Answers...)
	if err := (window{want: "n2", after: 700 * time.Millisecond}).judge(talk, mark, at(2000), name); err == nil {
		t.Error("two answers to each question must not pass")
	}
}

func TestJudgeCycles(t *testing.T) {
	good := lan.Cycles{Sent: 1000, Probes: 20, Answered: 19, Again: 19, Asked: 1}
	for name, change := range map[string]func(c *lan.Cycles){
		"failed": func(c *lan.Cycles) { c.Failed = 1 }, "not answered": func(c *lan.Cycles) { c.Answered = 18 },
		"lost": func(c *lan.Cycles) { c.Lost = 1 }, "asked all": func(c *lan.Cycles) { c.Asked = 2 },
		"never reachable": func(c *lan.Cycles) { c.Again = 3 }, "nothing": func(c *lan.Cycles) { *c = lan.Cycles{} },
	} {
		bad := good
		if change(&bad); judgeCycles(bad, 18) == nil {
			t.Errorf("%s: passes", name)
		}
	}
	if err := judgeCycles(good, 18); err != nil {
		t.Error(err)
	}
}
