package speaker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/pulse"
)

// What membership says of n2 and what heartbeats say, over time.
func TestLiveness(t *testing.T) {
	const (
		alive, dead, restarting = "alive", "dead", "restarting"
		up, down, unknown       = pulse.Up, pulse.Down, pulse.Unknown
		vacant                  = pulse.Vacant
	)
	type moment struct {
		at     time.Duration
		member string
		beats  pulse.State
		lives  bool
	}
	for name, story := range map[string][]moment{
		"dies, and membership follows": {
			{0, alive, up, true}, {1, alive, down, false}, {800, dead, down, false}, {9000, dead, unknown, false}},
		"dies and comes back: membership is first to know": {
			{0, alive, up, true}, {1, alive, down, false}, {800, dead, down, false}, {5000, alive, down, true}, {5100, alive, up, true},
			{6000, alive, down, false}},
		"restarts": {
			{0, alive, up, true}, {1, restarting, down, true}, {20000, alive, down, true}, {20100, alive, up, true}},
		"restarts and does not come back": {
			{0, restarting, down, true}, {30000, dead, down, false}},
		"a link is cut for a moment": {
			{0, alive, up, true}, {1, alive, down, false}, {400, alive, up, true}},
		"membership is wrong": {
			{0, alive, up, true}, {1, dead, up, true}, {1000, alive, up, true}},
		"the port is blocked": {
			{0, alive, up, true}, {1, alive, down, false}, {2900, alive, down, false}, {3001, alive, down, true}, {60000, alive, down, true},
			{61000, alive, up, true}, {62000, alive, down, false}},
		"its speaker crashes and is back": {
			{0, alive, up, true}, {1, alive, vacant, true}, {600, dead, vacant, true}, {690, dead, up, true}, {700, alive, up, true},
			{5000, alive, vacant, true}, {5690, dead, vacant, true}},
		"its speaker crashes and stays away": {
			{0, alive, up, true}, {1, alive, vacant, true}, {600, dead, vacant, true}, {702, dead, vacant, false}, {9000, dead, vacant, false},
			{9100, alive, vacant, true}},
		"its speaker crashes, and membership is slow": {
			{0, alive, up, true}, {1, alive, vacant, true}, {702, alive, vacant, true}, {800, dead, vacant, false}},
		"its speaker crashes, and gossip hears the new one first": {
			{0, alive, up, true}, {1, alive, vacant, true}, {600, dead, vacant, true}, {690, alive, vacant, true}, {800, alive, vacant, true},
			{900, alive, up, true}},
		"its speaker crashes, then the node dies": {
			{0, alive, up, true}, {1, alive, vacant, true}, {300, alive, down, false}, {800, dead, down, false}},
		"never heard": {
			{0, alive, unknown, true}, {1, dead, unknown, false}},
	} {
		l, start := newLiveness(), time.Unix(1000, 0)
		for _, m := range story {
			member := announce.Member{Node: "n2", Alive: m.member != dead, Restarting: m.member == restarting}
			out, _ := l.judge([]announce.Member{{Node: "n1", Alive: true}, member},
				pulse.View{States: map[string]pulse.State{"n2": m.beats}}, start.Add(m.at*time.Millisecond))
			if len(out) != 2 || !out[0].Alive || out[1].Alive != m.lives {
				t.Errorf("%s, after %d ms: %+v, want alive %v", name, m.at, out, m.lives)
			}
		}
	}
}

// A node that is deleted while it is silent leaves nothing to wait for.
func TestLivenessForgetsNodes(t *testing.T) {
	l, now := newLiveness(), time.Unix(1000, 0)
	silent := pulse.View{States: map[string]pulse.State{"n2": pulse.Down}}
	l.judge([]announce.Member{{Node: "n1", Alive: true}, {Node: "n2", Alive: true}}, silent, now)
	if !l.open(now) {
		t.Error("nothing is waited for while membership and heartbeats differ")
	}
	l.judge([]announce.Member{{Node: "n1", Alive: true}}, pulse.View{}, now.Add(time.Minute))
	if l.open(now.Add(time.Minute)) {
		t.Error("time is waited for that changes nothing")
	}
}

// A node that lacks the process of its heartbeats alone may be vacant for minutes.
func TestLivenessWaitsNoLongerThanItMust(t *testing.T) {
	l, now := newLiveness(), time.Unix(1000, 0)
	members := []announce.Member{{Node: "n1", Alive: true}, {Node: "n2", Alive: true}}
	vacant := pulse.View{States: map[string]pulse.State{"n2": pulse.Vacant}}
	l.judge(members, vacant, now)
	l.judge(members, vacant, now.Add(10*time.Second))
	if l.open(now.Add(10 * time.Second)) {
		t.Error("time is waited for that changes nothing")
	}
}

// beats says what the heartbeats of n1 see of the others: "n2:down n3:up".
func (r *rig) beats(alone bool, cuts uint64, text string) {
	v := pulse.View{States: map[string]pulse.State{}, Alone: alone, Cuts: cuts}
	for _, word := range strings.Fields(text) {
		node, state, _ := strings.Cut(word, ":")
		v.States[node] = map[string]pulse.State{"up": pulse.Up, "down": pulse.Down, "vacant": pulse.Vacant}[state]
	}
	r.pulses.Put(v)
}

// A death that only heartbeats know of yet is acted on at once, and answered
// for before the API has the record.
func TestTakeoverOnHeartbeat(t *testing.T) {
	taken(t, 3, func(r *rig) {
		if got := fmt.Sprint(r.beating); got != "[{n2 192.0.2.2:7957} {n3 192.0.2.3:7957}]" {
			t.Errorf("watches %s", got)
		}
		r.local(true)
		r.set(func() { r.api = "hang" })
		r.publishAll()
		r.pass(0)
		r.did()
		r.beats(false, 0, "n2:down n3:up")
		r.pass(0)
		r.did("answer 192.0.2.10")
		r.kill("n2") // membership follows
		r.set(func() { r.api = "" })
		r.pass(swapTimeout + 3*time.Second)
		r.did("claim 192.0.2.10 epoch 5") // and never silent
		if r.logged(`"taking over from dead nodes" addrs=1`) != 1 {
			t.Errorf("log:\n%s", r.logs)
		}
	})
}

// A silence that gossip contradicts is believed for three seconds.
func TestBlockedPort(t *testing.T) {
	taken(t, 3, func(r *rig) {
		r.beats(false, 0, "n2:down n3:down")
		r.pass(contradictLimit - 100*time.Millisecond)
		if r.logged("answering for no address") != 1 || r.logged("is their port open?") != 0 {
			t.Errorf("log:\n%s", r.logs)
		}
		r.pass(300 * time.Millisecond)
		if r.logged("is their port open?") != 2 {
			t.Errorf("log:\n%s", r.logs)
		}
	})
}
