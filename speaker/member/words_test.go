package member

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/go-kit/log"

	"github.com/steelyard-lb/steelyard/l4proxy/health/check"
	"github.com/steelyard-lb/steelyard/speaker/keys"
)

func words(from, to int) (out []check.Word) {
	for i := from; i < to; i++ {
		out = append(out, check.Word{ID: check.ID(1<<63 + uint64(i)), Down: i%3 > 0, Epoch: int64(i + 1)})
	}
	return out
}

// hearsWords waits until p has heard all of want.
func (p *peer) hearsWords(t *testing.T, want []check.Word) {
	t.Helper()
	missing, deadline := slices.Clone(want), time.After(10*time.Second)
	for len(missing) > 0 {
		select {
		case got := <-p.Health():
			missing = slices.DeleteFunc(missing, func(w check.Word) bool { return slices.Contains(got, w) })
		case <-deadline:
			t.Fatalf("%s did not hear %v", p.cfg.Node, missing)
		}
	}
}

// News of backends, told one after the other, and what is told again reach all
// others.
func TestWordsAreTold(t *testing.T) {
	peers := trio(t, keys.Ring{"secret"})
	all := words(0, 100)
	for part := range slices.Chunk(all, 5) {
		peers[0].TellHealth(part, false)
	}
	peers[1].hearsWords(t, all)
	peers[2].hearsWords(t, all)
	again := words(200, 230)
	peers[1].TellHealth(again, true)
	peers[0].hearsWords(t, again)
	peers[2].hearsWords(t, again)
}

// Who comes later is told of all that is known to be down, by whoever found it.
func TestLatecomersAreToldOfBackends(t *testing.T) {
	at := addrs(t, false, 2)
	ring := keys.Ring{"secret"}
	n1 := startPeer(t, "n1", at[0], ring, at)
	n1.ShareHealth(words(0, 5000))
	n2 := startPeer(t, "n2", at[1], ring, at)
	n2.hearsWords(t, words(0, 5000))
}

// A member of a version that knows of no health takes no harm of it, and neither
// does this one of what cannot be.
func TestWordsOnTheWire(t *testing.T) {
	s := &tidings{run: 7}
	for _, told := range s.ofWords("n1", words(0, 30), true) {
		text, err := json.Marshal(told)
		if err != nil || len(text) > 1000 {
			t.Fatalf("%d bytes, %v", len(text), err)
		}
		got, ok := readTiding(text)
		if !ok || len(got.words()) == 0 || len(got.takeovers()) > 0 || got.Part >= 0 {
			t.Errorf("read %+v, %t", got, ok)
		}
	}
	d := newDelegate("n2", log.NewNopLogger(), make(chan struct{}, 1))
	for _, text := range []string{`{"n":"n1","h":[{"i":1,"d":true,"e":0}]}`, `{"n":"n1","h":[{"i":-1,"e":1}]}`, `{"n":"n1","h":{}}`, `{"n":"n1","s":9,"t":null}`} {
		d.NotifyMsg([]byte(text))
		d.MergeRemoteState([]byte("["+text+"]"), true)
	}
	select {
	case got := <-d.words.C():
		t.Errorf("heard %v", got)
	default:
	}
	var state []tiding
	known := words(1, 3)
	d.known.Store(&known)
	if err := json.Unmarshal(d.LocalState(true), &state); err != nil || len(state) != 1 || !slices.Equal(state[0].words(), known) {
		t.Errorf("those who come are told %+v, %v", state, err)
	}
}
